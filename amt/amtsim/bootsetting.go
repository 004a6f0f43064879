package amtsim

import (
	"maps"
	"slices"
)

// Roles of SetBootConfigRole (Intel AMT class reference, CIM_BootService).
const (
	roleNextSingleUse = 1
	roleNotNext       = 32768
)

// InstanceIDs of the boot sources.
const (
	sourceHdd  = "Intel(r) AMT: Force Hard-drive Boot"
	sourcePxe  = "Intel(r) AMT: Force PXE Boot"
	sourceCd   = "Intel(r) AMT: Force CD/DVD Boot"
	sourceHTTP = "Intel(r) AMT: Force OCR UEFI HTTPS Boot"
)

// devices are what the sources boot.
var devices = map[string]string{sourceHdd: DeviceHdd, sourcePxe: DevicePxe, sourceCd: DeviceCd, sourceHTTP: DeviceUefiHTTP}

// bootSetting is the part of the one-shot setting that is in no instance: the
// rest is AMT_BootSettingData.
type bootSetting struct {
	source  string // InstanceID, "" none
	role    int
	service int // EnabledState of CIM_BootService
}

// data returns the instance of AMT_BootSettingData. The lock is held.
func (m *Machine) data() *instance { return m.instances["AMT_BootSettingData"][0] }

// nextDevice is what the next boot that honours the setting boots. The lock is
// held.
func (m *Machine) nextDevice() string {
	data := m.data()
	switch {
	case m.setting.role != roleNextSingleUse:
		return DeviceDefault
	case m.setting.source != "":
		return devices[m.setting.source]
	case data.flag("BIOSSetup"):
		return DeviceSetup
	case data.flag("UseIDER"):
		return DeviceRedirected
	}
	return DeviceDefault
}

// consume is the BIOS reading the boot setting: it returns the device and
// wipes what was set for one use. The lock is held.
func (m *Machine) consume(cause string) string {
	if cause != CausePowerRequest && m.options.Quirks.HostBootIgnoresSetting {
		return DeviceDefault
	}
	device := m.nextDevice()
	if m.setting.role != roleNextSingleUse {
		return device
	}
	m.setting.role = roleNotNext
	if !m.options.Quirks.KeepsSource {
		m.setting.source = ""
	}
	data := m.data()
	maps.Copy(data.values, m.fresh("AMT_BootSettingData")[0].values)
	data.values["OptionsCleared"] = []string{"true"}
	return device
}

// exclusive are the options that cannot be combined with a boot source (Intel
// AMT class reference, AMT_BootSettingData; UseSOL was seen refused on 14.0).
var exclusive = []string{"UseIDER", "UseSOL", "ReflashBIOS", "BIOSPause", "BIOSSetup"}

// excludes returns an option of data that forbids the source, or "": pure.
func excludes(data *instance, source string) string {
	if source == "" {
		return ""
	}
	for _, option := range exclusive {
		if data.flag(option) {
			return option
		}
	}
	if data.flag("UseSafeMode") && source != sourceHdd {
		return "UseSafeMode"
	}
	if index := data.text("BootMediaIndex"); index != "0" && index != "" && !slices.Contains([]string{sourceHdd, sourceCd}, source) {
		return "BootMediaIndex"
	}
	return ""
}
