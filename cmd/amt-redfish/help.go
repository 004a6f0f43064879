package main

import (
	"fmt"
	"io"

	"github.com/spf13/pflag"
)

// usageError is a command line that cannot be carried out.
type usageError struct{ text string }

// Error returns the text.
func (e *usageError) Error() string { return "amt-redfish: " + e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// help explains every command.
func help(w io.Writer) {
	fmt.Fprint(w, `Amt-redfish makes desktops with Intel AMT look like Redfish servers.

  amt-redfish serve      run the gateway
  amt-redfish simulate   run simulated desktops, and with --gateway a gateway on them
  amt-redfish version    print the version
  amt-redfish help       print this

Exit codes: 0 done, 1 failed, 2 wrong command line or configuration.

`)
	printFlags(w, "serve", serveFlags())
	fmt.Fprint(w, `
Each setting of serve is also a key of the configuration file (amt.max_retry)
and a variable (AMT_REDFISH_AMT_MAX_RETRY). A flag goes before a variable, a
variable before the file. Nodes are listed in the file; see docs/configuration.md.

`)
	printFlags(w, "simulate", simulateFlags(&simulation{}))
}

func printFlags(w io.Writer, command string, flags *pflag.FlagSet) {
	fmt.Fprintf(w, "Flags of %s:\n%s", command, flags.FlagUsages())
}
