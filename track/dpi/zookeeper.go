package dpi

// zookeeperFirst: the length of a connect request or response.
var zookeeperFirst = bytesIn("\x00", 1, 0)

// Lengths of ConnectRequest and ConnectResponse (ZooKeeper's zookeeper.jute), without and with the
// flag of read-only mode that came later.
const (
	zookeeperRequest  = 44
	zookeeperResponse = 36
	zookeeperSecret   = 16 // length of the password, which is the last but the flag
)

// parseZooKeeper reads the opening of a session. It tells nothing that is worth a field: the session's id and its password.
func parseZooKeeper(c *call) verdict {
	v := &c.view[c.side]
	b := v.b
	if len(b) < 8 {
		if len(b) > 3 && !zookeeperLen(size32(be32(b))) {
			return no
		}
		return v.unfinished()
	}
	n := size32(be32(b))
	if !zookeeperLen(n) || be32(b[4:]) != 0 || len(b) > 4+n {
		return no
	}
	if len(b) < 4+n {
		return v.unfinished()
	}
	request := n >= zookeeperRequest
	secret := zookeeperResponse - zookeeperSecret
	timeout := be32(b[8:])
	if request {
		secret = zookeeperRequest - zookeeperSecret
		timeout = be32(b[16:])
	}
	if be32(b[secret:]) != zookeeperSecret || timeout > 1<<24 {
		return no
	}
	if request {
		c.setClient(c.side)
	} else {
		c.setClient(1 - c.side)
	}
	return c.finish()
}

func zookeeperLen(n int) bool {
	return n == zookeeperRequest || n == zookeeperRequest+1 || n == zookeeperResponse || n == zookeeperResponse+1
}
