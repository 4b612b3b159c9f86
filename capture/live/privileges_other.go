//go:build !linux

package live

// DropPrivileges has nothing to drop: there are no capabilities here that could be given up one by one.
func DropPrivileges(bool) error { return nil }

// Lasting has nothing to tell: what can be done now can be done later.
func Lasting(string) error { return nil }

// HoldPrivileges has nothing to hold, either.
func HoldPrivileges() error { return nil }

// UsePrivileges belongs to HoldPrivileges.
func UsePrivileges() error { return nil }
