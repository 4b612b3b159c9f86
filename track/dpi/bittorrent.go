package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldBitTorrentHash   = event.AppString("bittorrent_infohash", "Hash of the torrent that is exchanged or asked for.").Spelt(event.Hex(40))
	fieldBitTorrentClient = event.AppString("bittorrent_client", "Program of the peer that opened the connection, as the first letters of its identifier, such as -TR4040-.").Spelt(event.Shaped("between dashes", "-TR4040-", `-.*-`))
)

var bittorrentFields = []*event.AppField{fieldBitTorrentHash, fieldBitTorrentClient}

// bittorrentFirst: a peer's greeting over TCP; over UDP the distributed hash table's dictionaries, uTP's packets, a
// tracker's, the local search.
var bittorrentFirst = bytesIn("\x13dB\x01\x11\x21\x31\x41\x00", 1, 0)

const (
	bittorrentGreeting = "\x13BitTorrent protocol" // BEP 3
	bittorrentLen      = 68
	utpHeaderLen       = 20
	utpWindow          = 64                 // packets that the two ends' numbers may be apart
	utpPackets         = 8                  // of a connection among which the handshake of peers is looked for
	trackerMagic       = 0x0000041727101980 // BEP 15
)

// parseBitTorrentStream reads the handshake of peers (BEP 3).
func parseBitTorrentStream(c *call) verdict {
	v := &c.view[c.side]
	if got := v.begins(bittorrentGreeting); got != match {
		return got
	}
	if len(v.b) < bittorrentLen && !v.gap && !v.fin {
		return more
	}
	c.edit()
	c.bittorrentPeer(v.b)
	if c.view[c.side].whole && c.f.client == 0 {
		c.setClient(Orig)
	}
	return c.finish()
}

// bittorrentPeer reads a handshake: greeting, flags, hash, identifier.
func (c *call) bittorrentPeer(b []byte) {
	const hash = len(bittorrentGreeting) + 8
	if len(b) >= hash+20 {
		c.edit().SetStr(fieldBitTorrentHash, c.hexText(b[hash:hash+20]))
	}
	if len(b) < bittorrentLen {
		return
	}
	if id := b[hash+20 : hash+28]; id[0] == '-' && id[7] == '-' && printable(id) { // BEP 20
		c.edit().SetStr(fieldBitTorrentClient, c.text(id))
	}
}

// utpState counts the packets of a connection that has begun.
type utpState struct{ packets uint8 }

// parseBitTorrent recognises what BitTorrent says over UDP.
func parseBitTorrent(c *call) verdict {
	b := c.view[c.side].b
	if st, ok := c.f.state.(*utpState); ok {
		if st.packets++; c.utpGreeting(b) || st.packets == utpPackets {
			return c.finish()
		}
		return match
	}
	switch b[0] {
	case 'd':
		return c.bittorrentDHT(b)
	case 'B': // BEP 14
		if !bytes.HasPrefix(b, []byte("BT-SEARCH * HTTP/1.1\r\n")) {
			return no
		}
		return c.finish()
	case 0:
		if len(b) != 16 || be64(b) != trackerMagic || be32(b[8:]) != 0 {
			return no
		}
		c.setClient(c.side)
		return c.finish()
	case 0x13:
		return no
	}
	return c.utp(b)
}

// bittorrentDHT reads a message of the hash table (BEP 5): a dictionary with a kind, a transaction and what the kind needs.
func (c *call) bittorrentDHT(b []byte) verdict {
	v := &c.view[c.side]
	var kind byte
	var body, transaction []byte
	rest := b[1:]
	for len(rest) > 0 && rest[0] != 'e' {
		key, after, ok := bencodeText(rest)
		if !ok {
			break
		}
		n := bencodeSize(after)
		if n == 0 {
			break
		}
		value := after[:n]
		rest = after[n:]
		switch string(key) {
		case "y":
			if n == 3 && value[0] == '1' {
				kind = value[2]
			}
		case "t":
			transaction = value
		case "a", "r", "e":
			body = value
		}
	}
	whole := len(rest) == 1 && rest[0] == 'e' && transaction != nil && body != nil && (kind == 'q' || kind == 'r' || kind == 'e')
	cut := v.gap && (bytes.HasPrefix(b, []byte("d1:ad2:id20:")) || bytes.HasPrefix(b, []byte("d1:rd2:id20:")))
	if !whole && !cut {
		return no
	}
	c.edit()
	if at := bytes.Index(body, []byte("9:info_hash20:")); at >= 0 && len(body) >= at+14+20 {
		c.edit().SetStr(fieldBitTorrentHash, c.hexText(body[at+14:at+14+20]))
	}
	if kind != 0 {
		c.setClient(c.side ^ sideIf(kind != 'q'))
	}
	return c.finish()
}

// bencodeText reads a text in bencoding (BEP 3): its length, ":", the text.
func bencodeText(b []byte) (text, rest []byte, ok bool) {
	n, i := 0, 0
	for ; i < len(b) && i < 5 && digit(b[i]); i++ {
		n = n*10 + int(b[i]-'0')
	}
	if i == 0 || i >= len(b) || b[i] != ':' || n > len(b)-i-1 {
		return nil, nil, false
	}
	return b[i+1 : i+1+n], b[i+1+n:], true
}

// bencodeSize is the length of the value that begins b, 0 when it is not whole.
func bencodeSize(b []byte) int {
	depth := 0
	for at := 0; at < len(b); {
		switch b[at] {
		case 'd', 'l':
			depth++
			at++
		case 'e':
			if depth == 0 {
				return 0
			}
			depth--
			at++
		case 'i':
			end := bytes.IndexByte(b[at:], 'e')
			if end < 0 || end > 24 {
				return 0
			}
			at += end + 1
		default:
			_, rest, ok := bencodeText(b[at:])
			if !ok {
				return 0
			}
			at = len(b) - len(rest)
		}
		if depth == 0 {
			return at
		}
	}
	return 0
}

// utp recognises BitTorrent's transport (BEP 29) by two packets of the two ends whose connections and numbers agree.
func (c *call) utp(b []byte) verdict {
	if len(b) < utpHeaderLen || b[1] > 2 {
		return more
	}
	kind := b[0] >> 4
	id, seq, ack := be16(b[2:]), be16(b[16:]), be16(b[18:])
	if id == 0 || kind == 4 && len(b) > utpHeaderLen+34 {
		return more
	}
	if a, _, ok := c.trail(trailUTP, 1-c.side); ok {
		theirKind, theirID, theirSeq, theirAck := byte(a>>48), uint16(a>>32), uint16(a>>16), uint16(a)
		if theirKind == 4 && kind != 4 && id == theirID && ack == theirSeq {
			c.setClient(1 - c.side)
			c.edit()
			c.f.state = &utpState{}
			return match
		}
		apart := id - theirID
		if theirKind != 4 && kind != 4 && (apart == 1 || apart == 0xffff) && theirSeq != 0 && near16(ack, theirSeq) && near16(seq, theirAck) && be32(b[4:]) != 0 {
			return c.finish()
		}
	}
	if c.utpGreeting(b) {
		return c.finish()
	}
	c.leave(trailUTP, uint64(kind)<<48|uint64(id)<<32|uint64(seq)<<16|uint64(ack), 0)
	return more
}

// utpGreeting reads the handshake of peers, where a packet of data (kind 0) has it behind its header and extensions.
func (c *call) utpGreeting(b []byte) bool {
	if len(b) < utpHeaderLen || b[0]>>4 != 0 {
		return false
	}
	at := bytes.Index(b[utpHeaderLen:min(len(b), utpHeaderLen+32)], []byte(bittorrentGreeting))
	if at < 0 {
		return false
	}
	c.bittorrentPeer(b[utpHeaderLen+at:])
	return true
}

// near16 tells whether two numbers of a sequence are at most a window apart.
func near16(a, b uint16) bool { d := int16(a - b); return d >= -utpWindow && d <= utpWindow }
