//go:build !unix

package beside

import "os"

const noFollow = 0

func own(*os.File, os.FileInfo) {}

func alone(*os.File) bool { return true }
