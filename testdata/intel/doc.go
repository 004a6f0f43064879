// Package intel holds tests that set Intel's own AMT client library against
// this project: the library drives the simulator, and firmware replies that
// the library recorded are decoded by our client. It is not part of the
// product and has nothing to import.
package intel
