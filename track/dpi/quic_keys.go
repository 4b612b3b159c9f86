package dpi

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"strconv"
	"strings"
)

const quicV2 = 0x6b3343cf // RFC 9369

// Salts of the Initial secret (RFC 9001 section 5.2, RFC 9369 section 3.3.1, and the drafts before them).
var (
	quicSaltV1      = []byte("\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a")
	quicSaltV2      = []byte("\x0d\xed\xe3\xde\xf7\x00\xa6\xdb\x81\x93\x81\xbe\x6e\x26\x9d\xcb\xf9\xbd\x2e\xd9")
	quicSaltDraft29 = []byte("\xaf\xbf\xec\x28\x99\x93\xd2\x4c\x9e\x97\x86\xf1\x9c\x61\x11\xe0\x43\x90\xa8\x99")
	quicSaltDraft23 = []byte("\xc3\xee\xf7\x12\xc7\x2e\xbb\x5a\x11\xa7\xd2\x43\x2b\xb4\x63\x65\xbe\xf9\xf5\x02")
	quicSaltDraft22 = []byte("\x7f\xbc\xdb\x0e\x7c\x66\xbb\xe9\x19\x3a\x96\xcd\x21\x51\x9e\xbd\x7a\x02\x64\x4a")
	quicSaltQ050    = []byte("\x50\x45\x74\xef\xd0\x66\xfe\x2f\x9d\x94\x5c\xfc\xdb\xd3\xa7\xf0\xd3\xb5\x6b\x45")
	quicSaltT050    = []byte("\x7f\xf5\x79\xe5\xac\xd0\x72\x91\x55\x80\x30\x4c\x43\xa2\x36\x7c\x60\x48\x83\x10")
	quicSaltT051    = []byte("\x7a\x4e\xde\xf4\xe7\xcc\xee\x5f\xa4\x50\x6c\x19\x12\x4f\xc8\xcc\xda\x6e\x03\x3d")
)

// quicSaltsOf returns the salt of a version, nil where none is known.
func quicSaltsOf(version uint32) []byte {
	switch version {
	case 1:
		return quicSaltV1
	case quicV2:
		return quicSaltV2
	case 0xfaceb001: // Facebook's mvfst on the drafts 22 and 27
		return quicSaltDraft22
	case 0xfaceb002, 0xfaceb00e:
		return quicSaltDraft23
	case 'Q'<<24 | '0'<<16 | '5'<<8 | '0':
		return quicSaltQ050
	case 'T'<<24 | '0'<<16 | '5'<<8 | '0':
		return quicSaltT050
	case 'T'<<24 | '0'<<16 | '5'<<8 | '1':
		return quicSaltT051
	}
	if version>>8 != 0xff0000 {
		return nil
	}
	switch draft := version & 0xff; {
	case draft >= 33 && draft <= 34:
		return quicSaltV1
	case draft >= 29:
		return quicSaltDraft29
	case draft >= 23:
		return quicSaltDraft23
	case draft >= 21:
		return quicSaltDraft22
	}
	return nil
}

// quicVersionName gives the name that people use, the number where there is none.
func (in *Inspector) quicVersionName(v uint32) string {
	var b [16]byte
	return in.text(appendQUICVersion(b[:0], v))
}

func appendQUICVersion(dst []byte, v uint32) []byte {
	switch {
	case v == 1:
		return append(dst, "v1"...)
	case v == quicV2:
		return append(dst, "v2"...)
	case v>>8 == 0xff0000:
		return appendUint(append(dst, "draft-"...), uint64(v&0xff))
	case v == 0xfaceb001:
		return append(dst, "mvfst-22"...)
	case v == 0xfaceb002:
		return append(dst, "mvfst-27"...)
	case v == 0xfaceb00e:
		return append(dst, "mvfst-exp"...)
	case googleVersion(v):
		return binary.BigEndian.AppendUint32(dst, v)
	}
	dst = append(dst, "0x"...)
	for shift := 28; shift >= 0; shift -= 4 {
		dst = append(dst, hexDigits[v>>shift&15])
	}
	return dst
}

// quicVersionMeant reads a version that is given by its number alone, or as HTTP names it.
func quicVersionMeant(text string) string {
	small := strings.TrimPrefix(strings.ToLower(text), "h3-")
	n, err := strconv.ParseUint(small, 0, 32)
	switch {
	case err != nil:
		return strings.ToUpper(small)
	case n == 1 || n == 2:
		return "v" + strconv.FormatUint(n, 10)
	case n < 1<<8:
		return "draft-" + strconv.FormatUint(n, 10)
	}
	return string(appendQUICVersion(nil, uint32(n)))
}

// quicKeys opens the Initials of a connection; the keys of each side are made when they are needed.
type quicKeys struct {
	initial [sha256.Size]byte
	v2      bool
	side    [2]struct { // server, client
		aead  cipher.AEAD
		iv    [12]byte
		block cipher.Block
	}
	mask  [16]byte // of a packet's header
	nonce [12]byte
}

// newQUICKeys derives the Initial secret from the connection ID that the client chose for the server.
func newQUICKeys(version uint32, cid []byte) *quicKeys {
	return &quicKeys{initial: hmac256(quicSaltsOf(version), cid), v2: version == quicV2}
}

// What the key is joined with, see RFC 2104 section 2.
var (
	hmacInner = bytes.Repeat([]byte{0x36}, 64)
	hmacOuter = bytes.Repeat([]byte{0x5c}, 64)
)

// hmac256 is HMAC-SHA-256 (RFC 2104) of short texts, and so also HKDF-Extract and one step of HKDF-Expand (RFC 5869).
func hmac256(key, text []byte) [sha256.Size]byte {
	var inner [64 + 128]byte
	var outer [64 + sha256.Size]byte
	copy(inner[:], hmacInner)
	copy(outer[:], hmacOuter)
	subtle.XORBytes(inner[:], inner[:], key)
	subtle.XORBytes(outer[:], outer[:], key)
	n := copy(inner[64:], text)
	sum := sha256.Sum256(inner[:64+n])
	copy(outer[64:], sum[:])
	return sha256.Sum256(outer[:])
}

// expandLabel is HKDF-Expand-Label of RFC 8446 section 7.1 without context: the first n bytes of what it returns.
func expandLabel(secret []byte, label string, n int) [sha256.Size]byte {
	var info [64]byte
	b := append(info[:0], 0, byte(n), byte(len("tls13 ")+len(label)))
	b = append(append(b, "tls13 "...), label...)
	b = append(b, 0, 1) // no context; first block
	return hmac256(secret, b)
}

func (k *quicKeys) prepare(client int) bool {
	s := &k.side[client]
	if s.aead != nil {
		return true
	}
	labels := [...]string{"server in", "client in"}
	key, iv, hp := "quic key", "quic iv", "quic hp"
	if k.v2 { // RFC 9369 section 3.3.2
		key, iv, hp = "quicv2 key", "quicv2 iv", "quicv2 hp"
	}
	secret := expandLabel(k.initial[:], labels[client], sha256.Size)
	secretKey, mask, nonce := expandLabel(secret[:], key, 16), expandLabel(secret[:], hp, 16), expandLabel(secret[:], iv, 12)
	block, err := aes.NewCipher(secretKey[:16])
	if err != nil {
		return false
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return false
	}
	if s.block, err = aes.NewCipher(mask[:16]); err != nil {
		return false
	}
	s.aead = aead
	copy(s.iv[:], nonce[:])
	return true
}

// open takes the protection off a packet (RFC 9001 section 5) whose packet number is at pn. The packet is
// not changed; the result lies in scratch.
func (k *quicKeys) open(scratch *[]byte, packet []byte, pn int, fromClient bool) ([]byte, bool) {
	client := 0
	if fromClient {
		client = 1
	}
	if len(packet) < pn+20 || !k.prepare(client) {
		return nil, false
	}
	s := &k.side[client]
	mask := &k.mask
	s.block.Encrypt(mask[:], packet[pn+4:pn+20])
	first := packet[0] ^ mask[0]&0x0f
	n := int(first&3) + 1

	buf := append((*scratch)[:0], packet...)
	*scratch = buf
	buf[0] = first
	nonce := &k.nonce
	*nonce = s.iv
	for i := range n {
		buf[pn+i] ^= mask[1+i]
		nonce[len(nonce)-n+i] ^= buf[pn+i]
	}
	body := buf[pn+n:]
	plain, err := s.aead.Open(body[:0], nonce[:], body, buf[:pn+n])
	return plain, err == nil
}
