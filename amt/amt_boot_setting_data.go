package amt

import (
	"context"
	"strings"

	"github.com/amt-redfish/amt-redfish/amt/wsman"
)

const bootSettingDataURI = amtSchema + "AMT_BootSettingData"

// BootSettingData are the options of the next boot beside its source (Intel
// AMT SDK, Class Reference, AMT_BootSettingData). It is written as a whole, so
// it is kept as a whole: releases differ in what they return.
type BootSettingData struct {
	instance wsman.Instance
}

// DecodeBootSettingData reads the class from an instance.
func DecodeBootSettingData(i wsman.Instance) BootSettingData { return BootSettingData{i} }

// bootOptionsNeutral is the neutral value of each option that would change
// what is booted, or how. EnforceSecureBoot is not among them: it matters only
// to redirected and recovery boots, and in client control mode firmware
// refuses to turn it off. RSEPassword is only written.
var bootOptionsNeutral = map[string]string{
	"BIOSPause": "false", "BIOSSetup": "false", "ReflashBIOS": "false",
	"UseIDER": "false", "IDERBootDevice": "0", "UseSOL": "false", "UseSafeMode": "false",
	"BootMediaIndex": "0", "FirmwareVerbosity": "0", "ForcedProgressEvents": "false",
	"LockKeyboard": "false", "LockPowerButton": "false", "LockResetButton": "false", "LockSleepButton": "false",
	"UserPasswordBypass": "false", "ConfigurationDataReset": "false",
	"SecureErase": "false", "PlatformErase": "false", "UefiBootNumberOfParams": "0",
}

// bootOptionsUnsent are left out of what is written: the read-only properties,
// which current releases reject, and the recovery parameters, which firmware
// returns as empty or not at all.
var bootOptionsUnsent = map[string]bool{
	"BIOSLastStatus": true, "BootguardStatus": true, "OptionsCleared": true, "RPEEnabled": true,
	"SecureBootControlEnabled": true, "UEFIHTTPSBootEnabled": true, "UEFILocalPBABootEnabled": true,
	"WinREBootEnabled": true, "UefiBootParametersArray": true,
}

// Neutral returns what to write so that every option is neutral, in the order
// in which firmware returned it, and whether that differs from what is set.
func (b BootSettingData) Neutral() (properties []wsman.Property, differs bool) {
	for _, p := range b.instance.Properties {
		text := strings.TrimSpace(p.Text)
		if bootOptionsUnsent[p.Name] {
			differs = differs || p.Name == "UefiBootParametersArray" && text != ""
			continue
		}
		if value, ok := bootOptionsNeutral[p.Name]; ok && value != text {
			p.Text, differs = value, true
		}
		properties = append(properties, p)
	}
	return properties, differs
}

func getBootSettingData(ctx context.Context, c wsman.Caller) (BootSettingData, error) {
	i, err := c.Get(ctx, bootSettingDataURI)
	if err != nil {
		return BootSettingData{}, err
	}
	return DecodeBootSettingData(i), nil
}

func putBootSettingData(ctx context.Context, c wsman.Caller, properties []wsman.Property) error {
	_, err := c.Put(ctx, bootSettingDataURI, properties)
	return err
}
