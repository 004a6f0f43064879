package amt

import (
	"context"
	"errors"

	"github.com/amt-redfish/amt-redfish/amt/wsman"
	"github.com/amt-redfish/amt-redfish/state"
)

// Arm implements state.Machine: get the options, clear the order, put the
// options unless they are neutral, set the role, set the source. A failed
// attempt is repeated from the clear on, since firmware keeps the first source
// it is given.
func (m *Machine) Arm(ctx context.Context, target state.Target) error {
	source, ok := sourceOf(target)
	if !ok {
		return m.refuse(state.KindUnsupported, "arm", "no boot source serves target %q", target)
	}
	return m.boot(ctx, "arm", func(ctx context.Context, c wsman.Caller) error {
		options, err := getBootSettingData(ctx, c)
		if err != nil {
			return err
		}
		if err := clearBoot(ctx, c, options); err != nil {
			return err
		}
		return setBoot(ctx, c, source)
	})
}

// ArmAgain implements state.Machine: role and source, without a clear.
func (m *Machine) ArmAgain(ctx context.Context, target state.Target) error {
	source, ok := sourceOf(target)
	if !ok {
		return m.refuse(state.KindUnsupported, "arm again", "no boot source serves target %q", target)
	}
	return m.boot(ctx, "arm again", func(ctx context.Context, c wsman.Caller) error { return setBoot(ctx, c, source) })
}

// Disarm implements state.Machine: clear the order, put the options unless
// they are neutral, reset the role. A machine without boot control has nothing
// to disarm. The role's reset may be refused: releases before 7.0 do not know
// it, and without consent firmware denies it; a role without source and
// options boots nothing of ours.
func (m *Machine) Disarm(ctx context.Context) error {
	return m.boot(ctx, "disarm", func(ctx context.Context, c wsman.Caller) error {
		options, err := getBootSettingData(ctx, c)
		if err != nil && !isAbsent(err) {
			return err
		}
		if err := clearBoot(ctx, c, options); err != nil {
			if isAbsent(err) {
				return nil
			}
			return err
		}
		if err := setBootConfigRole(ctx, c, roleNotNext); err != nil && !roleMayStay(err) {
			return err
		}
		return nil
	})
}

// boot performs a sequence on the boot classes.
func (m *Machine) boot(ctx context.Context, op string, do func(context.Context, wsman.Caller) error) error {
	return m.perform(ctx, task{op: op, returns: bootReturns, denied: state.KindConsent, connect: m.o.ActTimeout, patient: true, do: do})
}

func clearBoot(ctx context.Context, c wsman.Caller, options BootSettingData) error {
	if err := changeBootOrder(ctx, c, ""); err != nil {
		return err
	}
	if properties, differs := options.Neutral(); differs {
		return putBootSettingData(ctx, c, properties)
	}
	return nil
}

func setBoot(ctx context.Context, c wsman.Caller, source string) error {
	if err := setBootConfigRole(ctx, c, roleNextSingleUse); err != nil {
		return err
	}
	return changeBootOrder(ctx, c, source)
}

// roleReturns are the refusals of SetBootConfigRole that leave nothing armed:
// not supported, invalid parameter, access denied.
var roleReturns = map[int]bool{1: true, 5: true, 6: true}

func roleMayStay(err error) bool {
	var refusal *ReturnError
	if errors.As(err, &refusal) && roleReturns[refusal.Value] {
		return true
	}
	switch kindOf(err, bootReturns, state.KindConsent) {
	case state.KindUnsupported, state.KindConsent:
		return true
	}
	var failure *wsman.Error
	return errors.As(err, &failure) && failure.HasFault("InvalidParameter", "InvalidRepresentation", "SchemaValidationError")
}

// BootSetting implements state.Machine. The association that tells whether a
// setting is armed is read first. Unless it shows one, the reason of the last
// boot is read as well, since much firmware never shows one.
func (m *Machine) BootSetting(ctx context.Context) (state.BootSetting, error) {
	var result state.BootSetting
	const association, reason = "CIM_ElementSettingData", "IPS_HostBootReason"
	err := m.optional(ctx, association, func(ctx context.Context, c wsman.Caller) error {
		settings, err := enumerateElementSettings(ctx, c)
		result.Pending = pendingOf(settings)
		return err
	})
	if err != nil {
		return state.BootSetting{}, err
	}
	if result.Pending == state.Yes {
		return result, nil
	}
	err = m.optional(ctx, reason, func(ctx context.Context, c wsman.Caller) error {
		last, err := getHostBootReason(ctx, c)
		result.Reason = last.text()
		return err
	})
	if err != nil {
		return state.BootSetting{}, err
	}
	return result, nil
}

// pendingOf finds the boot configuration among the settings.
func pendingOf(settings []ElementSettingData) state.Tristate {
	for _, s := range settings {
		if s.SettingData.Selector("InstanceID") != bootConfigID {
			continue
		}
		switch s.IsNext {
		case isNextSingleUse:
			return state.Yes
		case isNotNext:
			return state.No
		}
	}
	return state.Unknown
}

// optional reads a class that some firmware does not have, which is
// remembered and no error.
func (m *Machine) optional(ctx context.Context, class string, do func(context.Context, wsman.Caller) error) error {
	if m.cache.absent(class) {
		return nil
	}
	err := m.perform(ctx, task{op: "read boot setting", denied: state.KindRefused, connect: m.o.ActTimeout, do: do})
	if state.IsKind(err, state.KindUnsupported) {
		m.cache.keepAbsent(class)
		return nil
	}
	return err
}
