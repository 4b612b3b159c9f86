//go:build !linux

package doctor

func system(string) facts { return facts{} }
