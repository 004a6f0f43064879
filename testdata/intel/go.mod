// The tests that need Intel's own client library and its recorded firmware
// replies. They are a module of their own so that the product does not depend
// on that library.
module github.com/amt-redfish/amt-redfish/testdata/intel

go 1.26.0

require (
	github.com/amt-redfish/amt-redfish v0.0.0
	github.com/device-management-toolkit/go-wsman-messages/v2 v2.36.1
)

require (
	github.com/beevik/etree v1.8.1 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/gorilla/websocket v1.5.3 // indirect
	github.com/kr/text v0.2.0 // indirect
	github.com/patrickmn/go-cache v2.1.0+incompatible // indirect
	github.com/sirupsen/logrus v1.9.3 // indirect
	golang.org/x/sys v0.42.0 // indirect
	gopkg.in/yaml.v3 v3.0.1 // indirect
)

replace github.com/amt-redfish/amt-redfish => ../..
