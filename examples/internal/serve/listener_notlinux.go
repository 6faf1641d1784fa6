//go:build unix && !linux

package serve

// refuseNew does nothing: only Linux filters what a socket receives.
func refuseNew(int) {}
