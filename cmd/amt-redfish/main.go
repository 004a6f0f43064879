// Amt-redfish makes desktops with Intel AMT look like Redfish servers. See
// README.md for how to run it, and `amt-redfish help` for its commands.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the Makefile from git.
var version = "devel"

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // wrong command line or configuration; nothing was started
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// run carries out a command line and returns the exit code.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	command := "help"
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	var err error
	switch command {
	case "serve":
		err = serve(ctx, args, environ, stdout, stderr)
	case "simulate":
		err = simulate(ctx, args, stdout, stderr)
	case "version", "--version":
		fmt.Fprintln(stdout, "amt-redfish", version)
	case "help", "--help", "-h":
		help(stdout)
	default:
		err = usagef("%q is no command; see amt-redfish help", command)
	}
	var config *ConfigError
	var wrong *usageError
	if errors.As(err, &config) || errors.As(err, &wrong) {
		fmt.Fprintln(stderr, err)
		return exitUsage
	} else if err != nil {
		fmt.Fprintln(stderr, "amt-redfish:", err)
		return exitFailed
	}
	return exitOK
}
