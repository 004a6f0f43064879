// Package amt moves one node's hardware through Intel AMT: it implements
// state.Machine. It is the only package that knows the firmware's classes,
// numbers and habits; CIM numbers do not leave it. It is not the WS-Management
// protocol (package amt/wsman), and it decides nothing about overrides, which
// is the core's affair.
//
// Each class has a file of its own, named after it. The border between the
// core's words and the firmware's numbers is translate.go, tables only. The
// sequences of calls, in the order firmware needs, are boot.go and power.go;
// attempts and the observation cache are machine.go and observe.go.
//
// # How to add a class
//
// Add one file <class>.go with its resource URI, a struct whose fields are
// named exactly as the properties, a Decode function, and its calls. Add the
// struct to the table of class_test.go, which checks every name against the
// tables of package schemas.
//
// # Invariants
//
//   - A power request is sent at most once unless the earlier one certainly
//     was not executed.
//   - Every ReturnValue is checked. Non-zero values arrive in an HTTP success.
//   - A power state that the table does not know, or that is missing, is
//     PowerUnknown.
//   - Nothing is written to AMT_BootSettingData that it did not return, and
//     its read-only properties are never sent.
//
// # Decisions
//
//   - 2026-11: a boot setting is armed as get, clear, put, role, source, the
//     order of Intel's newer tools, because some releases ignore a second
//     order until it is cleared and one boots a source late in the older
//     order. AMT_BootSettingData is put only where it is not neutral already,
//     which saves one exchange in four.
//   - 2026-11: a reading costs one exchange: a Get of the association, which
//     has exactly one instance. Rejected: the enumeration that older tools use,
//     two to three exchanges; it is the fallback.
//   - 2026-11: a sleeping engine is woken by connecting, not by RMCP pings,
//     which current releases do not answer remotely.
package amt
