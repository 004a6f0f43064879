# make build   the program, in bin/
# make run     the program on simulated desktops, or with CONFIG=file on real ones
# make test    everything that needs only Go
# make check   format, vet, lint, and the rules of the house
# make bench   measurements, as ratios side by side
# make clients real Redfish clients against gateway and simulator; needs Python and curl
# make fuzz    each fuzz target for FUZZTIME

GO         ?= go
FUZZTIME   ?= 60s
VERSION    := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
# The race detector needs a C compiler.
RACE       := $(shell command -v $${CC:-cc} >/dev/null 2>&1 && echo -race)
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.7.0

.PHONY: build run test check bench clients fuzz clean

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/amt-redfish ./cmd/amt-redfish

run: build
ifdef CONFIG
	@exec bin/amt-redfish serve --config $(CONFIG)
else
	@exec bin/amt-redfish simulate --gateway
endif

test:
	$(GO) test $(RACE) ./...
	cd testdata/intel && $(GO) test ./...

check:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$unformatted" ]; then echo "not formatted: $$unformatted"; exit 1; fi
	$(GO) vet ./...
	cd testdata/intel && $(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	$(GO) mod tidy -diff
	$(GO) test ./cmd/amt-redfish -run 'ImportTable|Dependencies|Budgets|OnlyCmd|NoUnfinished|TopLevel' -count=1

bench:
	$(GO) test ./... -run '^$$' -bench . -benchmem

clients: build
	bash testdata/clients/run.sh

fuzz:
	@set -e; grep -roE '^func Fuzz[A-Za-z]+' --include='*_test.go' --exclude-dir=testdata amt cmd pxe redfish state | sort | \
	while IFS=: read -r file function; do \
	  target=$${function#func }; package=./$$(dirname $$file); \
	  echo "$$target in $$package for $(FUZZTIME)"; \
	  $(GO) test $$package -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x -parallel 2 </dev/null; \
	done

clean:
	rm -rf bin run
