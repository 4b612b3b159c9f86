package dpi

import (
	"fmt"
	"slices"
	"testing"

	"rustnet/track/event"
)

// misspelt tells what a parser says that its field's declaration, or the list of applications, rules out; "" where it keeps to them.
func misspelt(a *event.App) string {
	if a == nil {
		return ""
	}
	if !slices.Contains(Apps(), a.Name) && a.Name != "" {
		return fmt.Sprintf("app is %q, which the table does not name", a.Name)
	}
	for _, f := range Fields() {
		form := f.Form()
		if form == nil || !a.Has(f) {
			continue
		}
		for _, text := range append(slices.Clone(a.List(f)), a.Str(f)) {
			if !form.Can(event.Equal, text) {
				return fmt.Sprintf("%s is %q", f.Name, text)
			}
		}
	}
	return ""
}

// TestForms: what parsers say of the project's conversations is spelt as their fields' declarations promise. The fuzzers hold them to it.
func TestForms(t *testing.T) {
	in := newInspector(Config{Names: true, Unsafe: true})
	for _, s := range append(samples(), recorded(t)...) {
		f := s.flow(in)
		if s.tcp {
			runSegments(in, f, s.msgs)
		} else {
			for i, m := range s.msgs {
				in.Datagram(f, m.side, m.b, uint32(len(m.b)), int64(i+1)*1e6)
			}
		}
		if wrong := misspelt(f.App()); wrong != "" {
			t.Errorf("%s: %s", s.want["app"], wrong)
		}
		in.Free(f)
	}
}

// TestMeant: what a field is never, and what somebody meant who asked for it: nearest, or "" where nothing is near. "+" is what it can be.
func TestMeant(t *testing.T) {
	schema := event.NewSchema(Fields(), Apps()...)
	for _, c := range []struct {
		field, text, near string
	}{
		{"app", "https", "tls"}, {"app", "HTTP", "http"}, {"app", "postgres", "postgresql"}, {"app", "memcache", "memcached"}, {"app", "mongo", "mongodb"},
		{"app", "mssql", "tds"}, {"app", "ike", "isakmp"}, {"app", "krb5", "kerberos"}, {"app", "samba", "smb"}, {"app", "gopherr", "gopher"}, {"app", "mdns", "+"},
		{"app", "ftp-data", "+"}, {"app", "qqqqq", ""},
		{"tls_version", "TLSv1.3", "1.3"}, {"tls_version", "TLS 1.2", "1.2"}, {"tls_version", "tls_1_1", "1.1"}, {"tls_version", "TLSv1", "1.0"}, {"tls_version", "TLSv13", "1.3"},
		{"tls_version", "DTLSv1.2", "DTLS 1.2"}, {"tls_version", "SSL 3.0", "SSLv3"}, {"tls_version", "0x0304", "1.3"}, {"tls_version", "771", "1.2"}, {"tls_version", "0x7f1c", "+"},
		{"tls_version", "1.3", "+"}, {"tls_version", "DTLS 1.3", "+"},
		{"tls_cipher", "ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"}, {"tls_cipher", "AES128-SHA", "TLS_RSA_WITH_AES_128_CBC_SHA"},
		{"tls_cipher", "DES-CBC3-SHA", "TLS_RSA_WITH_3DES_EDE_CBC_SHA"}, {"tls_cipher", "ECDHE-ECDSA-CHACHA20-POLY1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"},
		{"tls_cipher", "RC4-SHA", "TLS_RSA_WITH_RC4_128_SHA"}, {"tls_cipher", "AECDH-AES256-SHA", "TLS_ECDH_anon_WITH_AES_256_CBC_SHA"},
		{"tls_cipher", "DHE-RSA-AES256-SHA256", "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256"}, {"tls_cipher", "tls_aes_128_gcm_sha256", "TLS_AES_128_GCM_SHA256"},
		{"tls_cipher", "TLS_AES_128_GCM_SHA256", "+"}, {"tls_cipher", "0x4a4a", "+"}, {"tls_cipher", "0x1301", "TLS_AES_128_GCM_SHA256"},
		{"tls_alert", "handshake failure", "handshake_failure"}, {"tls_alert", "Unknown CA", "unknown_ca"},
		{"tls_subject", "CN = a.example, O = B", "CN=a.example,O=B"}, {"tls_subject", "/CN=a.example/O=B", "CN=a.example,O=B"}, {"tls_issuer", "Demo CA", ""}, {"tls_issuer", "2.5.4.17=#1305", "+"},
		{"tls_cert_sha256", "AB:CD", ""}, {"ja3", "E7D705A3286E19EA42F587B344EE6865", "e7d705a3286e19ea42f587b344ee6865"},
		{"ja4", "T13D1516H2_8DAAF6152771_B186095E22B6", "t13d1516h2_8daaf6152771_b186095e22b6"}, {"ja4", "t13i010000_000000000000_000000000000", "+"},
		{"alpn", "http2", "+"}, // a client may offer anything
		{"quic_version", "1", "v1"}, {"quic_version", "0x00000001", "v1"}, {"quic_version", "29", "draft-29"}, {"quic_version", "h3-29", "draft-29"}, {"quic_version", "0x1a2a3a4a", "+"}, {"quic_version", "q050", "Q050"},
		{"quic_close", "connection_refused", "CONNECTION_REFUSED"}, {"quic_close", "2", "CONNECTION_REFUSED"}, {"quic_close", "12345", "+"}, {"quic_close", "0x128", ""},
		{"http_method", "get", "GET"}, {"http_method", "PROPFIND", "+"}, {"http_version", "HTTP/1.1", "1.1"}, {"http_version", "2.0", "2"}, {"http_last_method", "Post", "POST"},
		{"dns_type", "a", "A"}, {"dns_type", "28", "AAAA"}, {"dns_type", "TYPE28", "AAAA"}, {"dns_type", "TYPE999", "+"}, {"dns_type", "999", "TYPE999"}, {"dns_type", "caa", "CAA"},
		{"dns_rcode", "nxdomain", "NXDOMAIN"}, {"dns_rcode", "NXDomain", "NXDOMAIN"}, {"dns_rcode", "3", "NXDOMAIN"}, {"dns_rcode", "ServFail", "SERVFAIL"},
		{"dns_query", "www.example.com.", "www.example.com"}, {"dns_query", "WWW.Example.com", "+"}, {"dns_query", ".", "+"},
		{"ssh_client", "OpenSSH_9.2", ""}, {"hassh", "EC7378C1A92F5A8DDE7E8B7A1DDF33D1", "ec7378c1a92f5a8dde7e8b7a1ddf33d1"},
		{"grpc_status", "5", "NOT_FOUND"}, {"grpc_status", "NotFound", "NOT_FOUND"}, {"dhcp_messages", "DHCPDISCOVER", "DISCOVER"}, {"dhcp_messages", "discover", "DISCOVER"},
		{"dhcp_client", "02-00-5E-10-00-01", "02:00:5e:10:00:01"}, {"dhcp_address", "2001:db8::/56", "+"}, {"dhcp_fingerprint", "1, 3, 6", "1,3,6"},
		{"wol_target", "02005e100001", "02:00:5e:10:00:01"}, {"esp_spi", "C0FFEE01", "0xc0ffee01"}, {"coap_code", "205", ""}, {"ospf_area", "0", "0.0.0.0"}, {"ospf_area", "256", "0.0.1.0"},
		{"snmp_version", "v2c", "2c"}, {"snmp_oid", ".1.3.6.1", "1.3.6.1"}, {"snmp_pdu", "GetNextRequest", "get-next"}, {"snmp_pdu", "get-request", "get"},
		{"syslog_severity", "error", "err"}, {"syslog_severity", "4", "warning"}, {"rpc_program", "rpcbind", "portmap"}, {"rpc_program", "100003", "nfs"}, {"rpc_program", "100999", "+"},
		{"vnc_version", "RFB 003.008", "3.8"}, {"vnc_security", "2", "vnc"}, {"vnc_security", "5", "+"}, {"mqtt_version", "5", "5.0"}, {"rdp_selected", "nla", "credssp"},
		{"kerberos_type", "AS-REQ", "AS"}, {"kerberos_cipher", "18", "aes256-cts-hmac-sha1-96"}, {"rtp_payload", "pcmu", "PCMU"}, {"rtp_payload", "0", "PCMU"}, {"rtp_payload", "111", "+"},
		{"dcerpc_interface", "12345778-1234-ABCD-EF00-0123456789AC", "samr"}, {"dcerpc_interface", "SAMR", "samr"},
		{"socks_command", "udp", "udp-associate"}, {"tftp_operation", "RRQ", "read"}, {"eapol_method", "EAP-TLS", "TLS"}, {"amqp_version", "0.9.1", "0-9-1"},
		{"proxy_client", "192.0.2.1", ""}, {"stun_mapped", "192.0.2.1", "+"}, {"git_command", "upload-pack", "git-upload-pack"}, {"http_user_agent", "whatever", "+"},
	} {
		form := schema.Lookup(c.field).Form()
		can := form == nil || form.Can(event.Equal, c.text)
		if can != (c.near == "+") {
			t.Errorf("%s == %q: can be: %v", c.field, c.text, can)
		} else if !can && form.Nearest(event.Equal, c.text) != c.near {
			t.Errorf("%s == %q: got %q, want %q", c.field, c.text, form.Nearest(event.Equal, c.text), c.near)
		}
	}
}
