package event

// hasSHA1 tells whether the processor has instructions for SHA-1.
var hasSHA1 = sha1Instructions()

func sha1Instructions() bool

// sha1Block gives the sum of a message.
//
//go:noescape
func sha1Block(m *sha1Message, s *sha1Sum)
