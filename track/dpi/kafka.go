package dpi

import "rustnet/track/event"

var (
	fieldKafkaClient = event.AppString("kafka_client_id", "Client id of the first request that names one.")
	fieldKafkaAPI    = event.AppString("kafka_api", "Kind of the first request, such as Metadata or Produce.")
)

var kafkaFields = []*event.AppField{fieldKafkaClient, fieldKafkaAPI}

// kafkaFirst: requests and first answers are shorter than 16 MB.
var kafkaFirst = bytesIn("\x00", 1, 0)

const (
	kafkaMaxRequest = 1 << 20
	kafkaMaxVersion = 18
)

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
	h.size = int(be32(b)) + 4
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
	if len(v.b) != h.size || h.client == nil {
		return len(v.b) == h.size && be16(v.b[12:]) == 0xffff
	}
	for _, ch := range h.client {
		if !alphanumeric(ch) && ch != '-' && ch != '_' && ch != '.' {
			return false
		}
	}
	return len(h.client) > 2
}

// parseKafka takes as proof a request that is whole, or the beginning of one and an answer of the other side with
// the same correlation id.
func parseKafka(c *call) verdict {
	v, other := &c.view[c.side], &c.view[1-c.side]
	if len(v.b) >= 4 && be32(v.b) < 4 {
		return no
	}
	var own kafkaRequest
	if own.read(v) == match && own.alone(v) {
		return c.kafka(c.side, &own)
	}
	for s := Orig; s <= Resp; s++ {
		request, answer := &c.view[s], c.view[1-s].b
		var h kafkaRequest
		if len(answer) < 8 || len(request.b) == 0 || h.read(request) != match || be32(answer[4:]) != h.correlation ||
			h.api == 0 && h.version == 0 && h.correlation == 0 && len(h.client) == 0 { // nothing but zeros, as ZooKeeper begins
			continue
		}
		size := int(be32(answer)) + 4
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
	return c.finish()
}
