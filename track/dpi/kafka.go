package dpi

import "rustnet/track/event"

var (
	fieldKafkaClient = event.AppString("kafka_client_id", "Client id of the first request that names one.")
	fieldKafkaAPI    = event.AppString("kafka_api", "Kind of the first request, such as Metadata or Produce.").Spelt(event.OneOf(kafkaAPIs[:]...))
	fieldKafkaTopic  = event.AppString("kafka_topic", "First topic that the client asks about, produces to or fetches from.")
)

var kafkaFields = []*event.AppField{fieldKafkaClient, fieldKafkaAPI, fieldKafkaTopic}

// kafkaFirst: requests and first answers are shorter than 16 MB.
var kafkaFirst = bytesIn("\x00", 1, 0)

const (
	kafkaMaxRequest = 1 << 20
	kafkaMaxVersion = 18
	kafkaMaxHead    = 1 << 10 // of a request that is read
	kafkaRequests   = 16      // of a connection among which the first topic is looked for
)

// kafkaState follows the requests of a connection.
type kafkaState struct {
	client   Side
	requests uint8
}

// kafkaAPIs are the API keys in order (Kafka protocol guide, Api Keys).
var kafkaAPIs = [...]string{"Produce", "Fetch", "ListOffsets", "Metadata", "LeaderAndIsr", "StopReplica", "UpdateMetadata", "ControlledShutdown",
	"OffsetCommit", "OffsetFetch", "FindCoordinator", "JoinGroup", "Heartbeat", "LeaveGroup", "SyncGroup", "DescribeGroups", "ListGroups",
	"SaslHandshake", "ApiVersions", "CreateTopics", "DeleteTopics", "DeleteRecords", "InitProducerId", "OffsetForLeaderEpoch",
	"AddPartitionsToTxn", "AddOffsetsToTxn", "EndTxn", "WriteTxnMarkers", "TxnOffsetCommit", "DescribeAcls", "CreateAcls", "DeleteAcls",
	"DescribeConfigs", "AlterConfigs", "AlterReplicaLogDirs", "DescribeLogDirs", "SaslAuthenticate", "CreatePartitions",
	"CreateDelegationToken", "RenewDelegationToken", "ExpireDelegationToken", "DescribeDelegationToken", "DeleteGroups", "ElectLeaders",
	"IncrementalAlterConfigs", "AlterPartitionReassignments", "ListPartitionReassignments", "OffsetDelete", "DescribeClientQuotas",
	"AlterClientQuotas", "DescribeUserScramCredentials", "AlterUserScramCredentials", "Vote", "BeginQuorumEpoch", "EndQuorumEpoch",
	"DescribeQuorum", "AlterPartition", "UpdateFeatures", "Envelope", "FetchSnapshot", "DescribeCluster", "DescribeProducers",
	"BrokerRegistration", "BrokerHeartbeat", "UnregisterBroker", "DescribeTransactions", "ListTransactions", "AllocateProducerIds",
	"ConsumerGroupHeartbeat", "ConsumerGroupDescribe"}

// kafkaRequest is a request's header (Kafka protocol guide, Request Header v0 to v2).
type kafkaRequest struct {
	api, version int
	correlation  uint32
	client       []byte
	size         int
}

func (h *kafkaRequest) read(v *view) verdict {
	b := v.b
	if len(b) < 14 {
		if len(b) > 5 && (b[4] != 0 || int(b[5]) >= len(kafkaAPIs)) || len(b) > 7 && (b[6] != 0 || b[7] > kafkaMaxVersion) {
			return no
		}
		return v.unfinished()
	}
	h.size = size32(be32(b)) + 4
	h.api, h.version, h.correlation = int(be16(b[4:])), int(be16(b[6:])), be32(b[8:])
	n := int(int16(be16(b[12:])))
	if h.size < 14 || h.size > kafkaMaxRequest || h.api >= len(kafkaAPIs) || h.version > kafkaMaxVersion || n < -1 || n > maxFactLen || 14+n > h.size {
		return no
	}
	if n > 0 {
		if len(b) < 14+n {
			return v.unfinished()
		}
		if h.client = b[14 : 14+n]; !oneLine(h.client) {
			return no
		}
	}
	return match
}

// alone tells whether a request needs no answer to be known by: one that fills what was sent, and names its client or says that it has no name.
func (h *kafkaRequest) alone(v *view) bool {
	if v.wire() != h.size || h.client == nil {
		return v.wire() == h.size && be16(v.b[12:]) == 0xffff
	}
	for _, ch := range h.client {
		if !alphanumeric(ch) && ch != '-' && ch != '_' && ch != '.' {
			return false
		}
	}
	return len(h.client) > 2
}

// answer tells whether what looks like a request to produce, of API 0, may be an answer: a number that repeats a request's stands there
// in place of the API and the version. Who produces names a topic.
func (h *kafkaRequest) answer(v *view) bool {
	if h.api != 0 {
		return false
	}
	topic := h.topic(v.b[14+len(h.client) : min(h.size, len(v.b))])
	return !printable(topic)
}

// parseKafka takes as proof a request that is whole, or the beginning of one and an answer of the other side with
// the same correlation id.
func parseKafka(c *call) verdict {
	if st, ok := c.f.state.(*kafkaState); ok {
		return c.kafkaRequests(st)
	}
	v, other := &c.view[c.side], &c.view[1-c.side]
	if len(v.b) >= 4 && be32(v.b) < 4 {
		return no
	}
	var own kafkaRequest
	if own.read(v) == match && own.alone(v) && !own.answer(v) {
		return c.kafka(c.side, &own)
	}
	for s := Orig; s <= Resp; s++ {
		request, answer := &c.view[s], c.view[1-s].b
		var h kafkaRequest
		if len(answer) < 8 || len(request.b) == 0 || h.read(request) != match || be32(answer[4:]) != h.correlation ||
			len(h.client) == 0 && h.answer(request) { // as ZooKeeper begins, and goes on
			continue
		}
		size := size32(be32(answer)) + 4
		if size < 8 || len(answer) < min(size, 64) || len(h.client) == 0 && (len(request.b) < h.size || len(answer) != size) || len(answer) > size && len(request.b) == h.size {
			continue
		}
		return c.kafka(s, &h)
	}
	if got := own.read(v); got == no && (len(other.b) == 0 || len(v.b) > 64) {
		return no // no answer comes before its request
	}
	return v.unfinished()
}

func (c *call) kafka(client Side, h *kafkaRequest) verdict {
	c.setClient(client)
	c.fact(fieldKafkaClient, h.client)
	c.edit().SetStr(fieldKafkaAPI, kafkaAPIs[h.api])
	c.know()
	st := &kafkaState{client: client}
	c.f.state = st
	return c.kafkaRequests(st)
}

// kafkaRequests reads requests up to one with a topic.
func (c *call) kafkaRequests(st *kafkaState) verdict {
	c.view[1-st.client].b = nil
	v := &c.view[st.client]
	for len(v.b) > 0 {
		var h kafkaRequest
		switch got := h.read(v); {
		case got == no:
			return done
		case got == more || len(v.b) < min(h.size, kafkaMaxHead) && !v.gap && !v.fin:
			return match
		}
		c.firstFact(fieldKafkaClient, h.client)
		if topic := h.topic(v.b[14+len(h.client) : min(h.size, len(v.b))]); len(topic) > 0 && printable(topic) {
			c.fact(fieldKafkaTopic, topic)
			return done
		}
		if st.requests++; st.requests == kafkaRequests {
			return done
		}
		c.skip(st.client, uint64(h.size))
	}
	return match
}

// topic finds the first topic in the body of a request (Kafka protocol guide; versions with numbers in its place have none).
func (h *kafkaRequest) topic(b []byte) []byte {
	const produce, fetch, metadata = 0, 1, 3
	r := cursor{b: b}
	compact := false
	switch {
	case h.api == metadata && h.version <= 12:
		compact = h.version >= 9
	case h.api == produce && h.version <= 12:
		compact = h.version >= 9
	case h.api == fetch && h.version <= 12:
		compact = h.version == 12
	default:
		return nil
	}
	if compact {
		r.u8() // fields of the header that are tagged: none
	}
	switch {
	case h.api == produce:
		switch {
		case compact:
			r.kafkaCompact()
		case h.version >= 3:
			if n := r.u16(); n != 0xffff {
				r.bytes(n)
			}
		}
		r.bytes(2 + 4)
	case h.api == fetch:
		r.bytes(4 + 4 + 4)
		if h.version >= 3 {
			r.bytes(4)
		}
		if h.version >= 4 {
			r.bytes(1)
		}
		if h.version >= 7 {
			r.bytes(4 + 4)
		}
	}
	if compact {
		if n := r.mqttVarint(); n < 2 { // one more than there are
			return nil
		}
		if h.api == metadata && h.version >= 10 {
			r.bytes(16)
		}
		return r.kafkaCompact()
	}
	if n := r.u32(); r.bad || n == 0 || n > kafkaMaxRequest {
		return nil
	}
	topic := r.vector16()
	if r.bad {
		return nil
	}
	return topic
}

// kafkaCompact reads a text behind its length, which is one too large; 0 is none.
func (r *cursor) kafkaCompact() []byte {
	n := r.mqttVarint()
	if n < 2 {
		return nil
	}
	b := r.bytes(n - 1)
	if r.bad {
		return nil
	}
	return b
}
