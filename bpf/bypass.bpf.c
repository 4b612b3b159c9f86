//go:build ignore

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Counts the packets of connections that user space has told it of, instead of letting them into the
 * socket. In front of it stands the capture filter, made into the same program when it is loaded.
 *
 * Only what is as expected is counted: the next bytes of a stream, an acknowledgement of bytes that were
 * seen, a datagram. Anything else ends the counting there and then, and it and all that follows passes
 * until user space asks again. So what was counted lies, without a gap, before the first packet that
 * user space gets next, and counting and looking give the same.
 *
 * It begins as exactly. What is on its way to user space when that asks is not known to either of them,
 * so the program marks a packet, by a length that no other one is cut to, says what it expected behind
 * it, and goes on delivering. If that is also what user space expects behind that packet, it says so, and
 * the next packet is marked again: it is the last one that passes.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define IPPROTO_TCP 6
#define IPPROTO_UDP 17

#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define ACK 0x10
#define URG 0x20

#define FLOWS 4096 /* places in the table, in groups of WAYS that a hash chooses one of */
#define WAYS 8

/* Bytes that are kept of a packet of which only the headers matter; one that is cut shorter is marked. */
#define HEADERS 128

#define AGAIN_NS 1000000000ULL /* what has passed one interface passes the next within this time */

/* What of a side was seen before, so that one more of it is nothing new. */
#define SEEN_DATA 1
#define SEEN_ACK 2 /* without data */
#define SEEN_SHUT 4 /* a window of 0 */

enum phase {
	LEARNING, /* where both streams are, from a packet of each */
	TRYING,	  /* does user space see the same? */
	COUNTING,
};

/* One end, by what it sends. */
struct bypass_side {
	__u64 packets, bytes;
	__u64 last_ns;	/* CLOCK_MONOTONIC */
	__u64 timed_ns; /* when the segment left whose acknowledgement is waited for */
	__u32 next;	/* sequence number behind its last byte */
	__u32 acked;	/* what the other end acknowledged of it */
	__u32 timed_seq;
	__u32 rtt_us; /* smallest, 0 = none */
	__u32 ifindex;
	__u32 base; /* next behind the first packet that was marked */
	__u8 timing, known, seen;
	__u8 pad[5];
};
_Static_assert(sizeof(struct bypass_side) == 64, "bypass_side: user space reads 64 bytes");

struct bypass_flow {
	__u32 busy;	 /* somebody is at it: one processor, or user space */
	__u32 stopped;	 /* nothing is counted, and will not be before user space asks again */
	__u32 phase;
	__u32 confirmed; /* user space saw the first marked packet, and agrees */
	__u64 begun_ns;	 /* when counting began */
	__u64 twice;	 /* packets that were seen before on another interface */
	__u64 addr[2][2];
	__u16 port[2];
	__u8 proto, version;
	__u8 over; /* another connection has the same ends by now, and is to be seen whole */
	__u8 pad[9];
	struct bypass_side side[2];
};
_Static_assert(sizeof(struct bypass_flow) == 208, "bypass_flow: user space reads 208 bytes");

/* A tag is a part of a place's hash, 0 where nobody is. */
struct bypass_table {
	__u32 used; /* places where somebody is */
	__u32 pad;
	__u32 tags[FLOWS];
	struct bypass_flow flows[FLOWS];
};

/* User space has it mapped, so that it needs no right to change it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bypass_table);
} table SEC(".maps");

/* Set before loading. */
const volatile __u32 snap_len = 4096;
const volatile __u64 secret = 0; /* nobody outside shall choose who meets whom in the table */

struct packet {
	__u64 addr[2][2]; /* source, destination */
	__u16 port[2];
	__u8 proto, version, flags;
	__u32 bytes;   /* from the IP header on */
	__u32 payload; /* of TCP and UDP */
	__u32 seq, ack;
	__u16 window;
};

/*
 * parse reads what may be counted. Everything else is for user space to read: whatever has a VLAN, an
 * option, an extension header or a length that is not true, and fragments.
 */
static __always_inline _Bool parse(struct __sk_buff *skb, struct packet *p)
{
	__u8 b[16 + 40 + 20] __attribute__((aligned(8)));
	__u32 off = ETH_HLEN, header, length, avail;
	__u16 type = skb->protocol;
	const __u8 *l4;
	_Bool tcp = 1;

	if (skb->vlan_present)
		return 0;
	/*
	 * The IP header goes to b + 16, where its words are aligned. Without an Ethernet header it begins the packet. All that
	 * is needed is had at once, with as much behind the IP header as TCP has, or else UDP.
	 */
	if (type == bpf_htons(ETH_P_IP)) {
		header = 20;
		if (bpf_skb_load_bytes(skb, 0, b + 2, ETH_HLEN + 20 + 20)) {
			tcp = 0;
			if (bpf_skb_load_bytes(skb, 0, b + 2, ETH_HLEN + 20 + 8))
				return 0;
		}
		if (*(__u16 *)(b + 14) != type) {
			off = 0;
			tcp = !bpf_skb_load_bytes(skb, 0, b + 16, 20 + 20);
			if (!tcp && bpf_skb_load_bytes(skb, 0, b + 16, 20 + 8))
				return 0;
		}
	} else if (type == bpf_htons(ETH_P_IPV6)) {
		header = 40;
		if (bpf_skb_load_bytes(skb, 0, b + 2, ETH_HLEN + 40 + 20)) {
			tcp = 0;
			if (bpf_skb_load_bytes(skb, 0, b + 2, ETH_HLEN + 40 + 8))
				return 0;
		}
		if (*(__u16 *)(b + 14) != type) {
			off = 0;
			tcp = !bpf_skb_load_bytes(skb, 0, b + 16, 40 + 20);
			if (!tcp && bpf_skb_load_bytes(skb, 0, b + 16, 40 + 8))
				return 0;
		}
	} else {
		return 0;
	}
	if (skb->len < off)
		return 0;
	avail = skb->len - off;
	if (header == 20) {
		if (b[16] != 0x45 || *(__u16 *)(b + 22) & bpf_htons(0x3fff)) /* options; more fragments, offset */
			return 0;
		length = bpf_ntohs(*(__u16 *)(b + 18));
		if (!length) /* cut up by the card later, or BIG TCP */
			length = avail;
		p->version = 4;
		p->proto = b[25];
		p->addr[0][0] = p->addr[1][0] = 0;
		p->addr[0][1] = *(__u32 *)(b + 28);
		p->addr[1][1] = *(__u32 *)(b + 32);
		l4 = b + 36;
	} else {
		if (b[16] >> 4 != 6)
			return 0;
		length = bpf_ntohs(*(__u16 *)(b + 20));
		if (!length)
			return 0;
		length += 40;
		p->version = 6;
		p->proto = b[22];
		p->addr[0][0] = *(__u64 *)(b + 24);
		p->addr[0][1] = *(__u64 *)(b + 32);
		p->addr[1][0] = *(__u64 *)(b + 40);
		p->addr[1][1] = *(__u64 *)(b + 48);
		l4 = b + 56;
	}
	if (length > avail)
		return 0;
	p->bytes = length;
	if (length < header + 8)
		return 0;
	length -= header;
	if (p->proto == IPPROTO_TCP) {
		__u32 h;

		if (!tcp)
			return 0;
		h = (l4[12] >> 4) * 4;
		if (h < 20 || h > length)
			return 0;
		p->payload = length - h;
		p->seq = bpf_ntohl(*(__u32 *)(l4 + 4));
		p->ack = bpf_ntohl(*(__u32 *)(l4 + 8));
		p->flags = l4[13];
		p->window = *(__u16 *)(l4 + 14);
	} else if (p->proto == IPPROTO_UDP) {
		p->payload = length - 8;
	} else {
		return 0;
	}
	p->port[0] = *(__u16 *)l4;
	p->port[1] = *(__u16 *)(l4 + 2);
	return 1;
}

static __always_inline __u64 mix(__u64 hi, __u64 lo, __u16 port)
{
	__u64 h = (hi ^ secret) * 0x9e3779b97f4a7c15ULL;

	h = (h ^ (h >> 32) ^ lo ^ ((__u64)port << 40)) * 0xd6e8feb86659fd93ULL;
	return h ^ (h >> 29);
}

static __always_inline __u64 hash(const struct packet *p)
{
	__u64 h = mix(p->addr[0][0], p->addr[0][1], p->port[0]) + mix(p->addr[1][0], p->addr[1][1], p->port[1]) + p->proto;

	h = (h ^ secret) * 0xa0761d6478bd642fULL;
	return h ^ (h >> 32);
}

static __always_inline _Bool is(const struct bypass_flow *f, const struct packet *p, int a, int b)
{
	return f->addr[0][1] == p->addr[a][1] && f->addr[1][1] == p->addr[b][1] && f->port[0] == p->port[a] &&
	       f->port[1] == p->port[b] && f->addr[0][0] == p->addr[a][0] && f->addr[1][0] == p->addr[b][0];
}

/* a is after b, as sequence numbers go */
static __always_inline _Bool after(__u32 a, __u32 b) { return (__s32)(a - b) > 0; }

/* What shall become of a packet. */
enum verdict {
	PASS,
	MARK, /* pass, and be known by its length */
	COUNTED,
	STOP, /* pass, and end the counting */
};

/* segment takes one of TCP from d to o. */
static __always_inline enum verdict segment(struct bypass_flow *f, struct bypass_side *d, struct bypass_side *o,
					    const struct packet *p, __u64 now, _Bool elsewhere)
{
	__u32 end = p->seq + p->payload;
	__u8 kind = p->payload ? SEEN_DATA : SEEN_ACK;

	if ((p->flags & (SYN | FIN | RST | URG | ACK)) != ACK)
		return STOP;
	if (!p->window)
		kind |= SEEN_SHUT;
	if (elsewhere) {
		if (!d->known)
			return PASS;
		if (now - d->last_ns > AGAIN_NS || (p->payload ? after(end, d->next) : after(p->ack, o->acked)))
			return STOP;
		if (f->phase != COUNTING)
			return PASS;
		f->twice++;
		return COUNTED;
	}
	if (f->phase == COUNTING && kind & ~d->seen)
		return STOP;
	if (f->phase == LEARNING && !d->known) {
		d->known = 1;
		d->next = end;
		o->acked = p->ack;
	} else {
		if ((p->payload && p->seq != d->next) || (o->known && after(p->ack, o->next)))
			return STOP;
		d->next += p->payload;
		if (after(p->ack, o->acked))
			o->acked = p->ack;
	}
	if (f->phase == LEARNING) {
		if (!o->known)
			return PASS;
		f->phase = TRYING;
		d->base = d->next;
		o->base = o->next;
		return MARK;
	}
	if (f->phase == TRYING) {
		if (!f->confirmed)
			return PASS;
		f->phase = COUNTING;
		f->begun_ns = now;
		return MARK;
	}
	if (p->payload && !d->timing) {
		d->timing = 1;
		d->timed_seq = end;
		d->timed_ns = now;
	}
	if (o->timing && !after(o->timed_seq, p->ack)) {
		__u64 us = (now - o->timed_ns) / 1000;

		o->timing = 0;
		if (!us)
			us = 1;
		if (us < 1u << 31 && (!o->rtt_us || us < o->rtt_us))
			o->rtt_us = us;
	}
	return COUNTED;
}

static __always_inline enum verdict datagram(struct bypass_flow *f, struct bypass_side *d, const struct packet *p,
					     __u64 now, _Bool elsewhere)
{
	if (elsewhere)
		return STOP;
	switch (f->phase) {
	case LEARNING:
		f->phase = TRYING;
		return MARK;
	case TRYING:
		if (!f->confirmed)
			return PASS;
		f->phase = COUNTING;
		f->begun_ns = now;
		return MARK;
	}
	return p->payload && !(d->seen & SEEN_DATA) ? STOP : COUNTED;
}

/* look takes a packet of the connection at f, if it is one; then known says so. */
static __always_inline enum verdict look(struct bypass_flow *f, const struct packet *p, __u32 ifindex, _Bool *known)
{
	struct bypass_side *d = &f->side[0], *o = &f->side[1];
	enum verdict v;
	__u64 now;
	int i;

	if (f->stopped) {
		/* Whose it is matters only for where it is cut, so that a look without the lock does. */
		if (p->flags & SYN)
			f->over = 1;
		*known = !f->over && f->proto == p->proto && f->version == p->version && (is(f, p, 0, 1) || is(f, p, 1, 0));
		return PASS;
	}
	for (i = 0; i < 64; i++)
		if (!__sync_val_compare_and_swap(&f->busy, 0, 1))
			break;
	if (i == 64) { /* its holder will find this */
		__sync_lock_test_and_set(&f->stopped, 1);
		return PASS;
	}
	v = PASS;
	if (f->stopped || f->proto != p->proto || f->version != p->version)
		goto out;
	if (!is(f, p, 0, 1)) {
		if (!is(f, p, 1, 0))
			goto out;
		d = &f->side[1];
		o = &f->side[0];
	}
	*known = 1;
	now = bpf_ktime_get_ns();
	if (p->proto == IPPROTO_TCP)
		v = segment(f, d, o, p, now, d->ifindex != ifindex);
	else
		v = datagram(f, d, p, now, d->ifindex != ifindex);
	if (v == STOP) {
		f->stopped = 1;
		*known = !(p->flags & SYN);
		f->over = p->flags & SYN;
	} else if (d->ifindex == ifindex) {
		d->last_ns = now;
		if (v == COUNTED) {
			d->packets++;
			d->bytes += p->bytes;
		}
	}
out:
	__sync_lock_test_and_set(&f->busy, 0); /* and all that was written before it */
	return v;
}

SEC("socket")
int bypass(struct __sk_buff *skb)
{
	struct packet p = {};
	struct bypass_table *t;
	__u32 zero = 0, tag, at, hit = 0;
	_Bool known = 0;
	__u64 h;

	t = bpf_map_lookup_elem(&table, &zero);
	if (!t || !t->used || !parse(skb, &p))
		return snap_len;
	h = hash(&p);
	tag = (__u32)(h >> 32) | 1;
	at = ((__u32)h & (FLOWS / WAYS - 1)) * WAYS;
	/* Without a branch: the verifier would look at all that follows once for each way. No two have the same tag. */
#pragma unroll
	for (__u32 i = 0; i < WAYS; i++) {
		__u64 other = t->tags[at + i] ^ tag;

		asm volatile("" : "+r"(other)); /* nor shall the compiler make one */
		hit |= (i + 1) & (__u32)((other - 1) >> 32);
	}
	if (!hit)
		return snap_len;
	at += hit - 1;
	switch (look(&t->flows[at & (FLOWS - 1)], &p, skb->ifindex, &known)) {
	case COUNTED:
		return 0;
	case MARK:
		return skb->len - 1 < HEADERS - 1 ? skb->len - 1 : HEADERS - 1;
	default:
		/* Of a datagram the end is wanted as well: it tells it from others where it passes several interfaces. */
		return known && p.proto == IPPROTO_TCP && snap_len > HEADERS ? HEADERS : snap_len;
	}
}
