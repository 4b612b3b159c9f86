/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The rungs below the stable hooks: the same bodies at the ends of the kernel's own functions, which is
 * where they are told of sockets when the kernel has no tracepoint for it. Sends and receives have those
 * since 6.3. Only one rung is attached.
 */
#pragma once

/*
 * meets tells the other end of a socket that is not connected, where the port alone does not name the
 * socket, or several processes use it.
 */
static __noinline int meets(void *ctx, struct sock *sk, const struct other *o)
{
	struct told_sock *st, by = {};
	struct task_struct *t = running(), *leader;
	struct sock_event e;
	__u64 cookie, hash;
	__u32 tgid = GET(t, tgid);

	if (!sk || !o)
		return 0;
	st = STORAGE_OF(sk);
	if (!st || !st->tgid || (!st->shared && (st->dport || (st->tgid == tgid && !st->several))))
		return 0;
	leader = who();
	if (!leader)
		return 0;
	cookie = COOKIE(sk, st);
	hash = hashed(cookie, o);
	if (told_meeting(hash, tgid))
		return 0;
	if (st->tgid != tgid)
		st->several = 1;
	set_owner(&by, leader);
	by.several = st->several;
	from_told(&e, &by, cookie, KIND_PEER);
	from_sock(&e, sk);
	e.rport = bpf_ntohs(o->port);
	e.family = o->family;
	__builtin_memset(e.local, 0, sizeof(e.local));
	__builtin_memset(e.remote, 0, sizeof(e.remote));
	if (o->family == AF_INET)
		*(__be32 *)e.remote = o->addr[3];
	else
		__builtin_memcpy(e.remote, o->addr, sizeof(o->addr));
	if (give(ctx, &e, sizeof(e)))
		untold_meeting(hash);
	return 0;
}

/* sends is for a message that is about to go, to the address that comes with it. */
static __always_inline int sends(void *ctx, struct sock *sk, struct msghdr *msg)
{
	void *name = BPF_CORE_READ(msg, msg_name);
	struct other o = {};

	if (!name || bpf_probe_read_kernel(&o.family, sizeof(o.family), name) || bpf_probe_read_kernel(&o.port, sizeof(o.port), name + 2))
		return 0;
	if (o.family == AF_INET6) {
		if (bpf_probe_read_kernel(o.addr, sizeof(o.addr), name + 8))
			return 0;
	} else {
		o.family = AF_INET;
		if (bpf_probe_read_kernel(&o.addr[3], sizeof(o.addr[3]), name + 4))
			return 0;
	}
	return meets(ctx, sk, &o);
}

/* takes is for a datagram that was received, whether or not its sender was asked for. */
static __always_inline int takes(void *ctx, struct sock *sk, struct sk_buff *skb)
{
	void *head = BPF_CORE_READ(skb, head), *ip = head + BPF_CORE_READ(skb, network_header);
	struct other o = {};
	__u8 version;

	if (bpf_probe_read_kernel(&version, sizeof(version), ip) || bpf_probe_read_kernel(&o.port, sizeof(o.port), head + BPF_CORE_READ(skb, transport_header)))
		return 0;
	if (version >> 4 == 6) {
		o.family = AF_INET6;
		if (bpf_probe_read_kernel(o.addr, sizeof(o.addr), ip + 8))
			return 0;
	} else {
		o.family = AF_INET;
		if (bpf_probe_read_kernel(&o.addr[3], sizeof(o.addr[3]), ip + 12))
			return 0;
	}
	return meets(ctx, sk, &o);
}

#ifndef OLDER

/* Where there are no control groups. */
SEC("fentry/udp_sendmsg")
int BPF_PROG(enter_send4, struct sock *sk, struct msghdr *msg)
{
	return sends(ctx, sk, msg);
}

SEC("fentry/udpv6_sendmsg")
int BPF_PROG(enter_send6, struct sock *sk, struct msghdr *msg)
{
	return sends(ctx, sk, msg);
}

SEC("fentry/skb_consume_udp")
int BPF_PROG(enter_consume, struct sock *sk, struct sk_buff *skb)
{
	return takes(ctx, sk, skb);
}

SEC("fexit/inet_sendmsg")
int BPF_PROG(exit_send4, struct socket *sock)
{
	return use(ctx, GET(sock, sk));
}

SEC("fexit/inet6_sendmsg")
int BPF_PROG(exit_send6, struct socket *sock)
{
	return use(ctx, GET(sock, sk));
}

SEC("fexit/inet_recvmsg")
int BPF_PROG(exit_receive4, struct socket *sock)
{
	return use(ctx, GET(sock, sk));
}

SEC("fexit/inet6_recvmsg")
int BPF_PROG(exit_receive6, struct socket *sock)
{
	return use(ctx, GET(sock, sk));
}

/* sendfile and splice of kernels before 6.5, for both families */
SEC("fexit/inet_sendpage")
int BPF_PROG(exit_sendpage, struct socket *sock)
{
	return use(ctx, GET(sock, sk));
}

#else

/*
 * Below them: the beginnings of functions (kprobes). Their ends would be worse to have: as long as somebody waits in
 * a function, the kernel remembers that its end is asked for, of so many at a time, and of others it says nothing. So a
 * receive is seen where what has come is given back. Of what is not connected the port is chosen on the way.
 */
static __always_inline int use_port(void *ctx, struct sock *sk)
{
	if (!GET(sk, __sk_common.skc_num)) /* a port is not chosen yet */
		return 0;
	return use(ctx, sk);
}

/* of functions whose first argument is a struct socket */
SEC("kprobe")
int probe_socket(void *ctx)
{
	struct sock *sk = GET((struct socket *)argument(ctx, 0), sk);

	return sk ? use_port(ctx, sk) : 0;
}

/* of those whose first is a struct sock */
SEC("kprobe")
int probe_sock(void *ctx)
{
	return use(ctx, argument(ctx, 0));
}

/* of udp_sendmsg and its like: struct sock, struct msghdr */
SEC("kprobe")
int probe_message(void *ctx)
{
	struct sock *sk = argument(ctx, 0);

	use(ctx, sk);
	return sends(ctx, sk, argument(ctx, 1));
}

/* of skb_consume_udp: struct sock, struct sk_buff; by itself, so that a kernel that does not let it see the datagram still tells of the use */
SEC("kprobe")
int probe_datagram(void *ctx)
{
	return takes(ctx, argument(ctx, 0), argument(ctx, 1));
}

/* of tcp_connect: the socket has its port by now, and its SYN is not out yet */
SEC("kprobe")
int probe_connect(void *ctx)
{
	struct sock *sk = argument(ctx, 0);
	struct told_sock *st = STORAGE_OF(sk);

	if (!st || !st->tgid)
		return 0;
	st->lport = GET(sk, __sk_common.skc_num);
	st->dport = GET(sk, __sk_common.skc_dport);
	st->daddr = destination(sk);
	return tell(ctx, sk, st, KIND_USED);
}

/* of inet_release: the last descriptor has gone, as tell_release says; of TCP the socket may stay */
SEC("kprobe")
int probe_release(void *ctx)
{
	struct sock *sk = GET((struct socket *)argument(ctx, 0), sk);
	struct told_sock *st;
	struct sock_event e;
	__u16 proto;

	if (!sk)
		return 0;
	st = storage(sk);
	if (!st)
		return 0;
	proto = protocol(sk);
	if (st->tgid) {
		from_told(&e, st, st->cookie, KIND_RELEASED);
		e.h.proto = proto;
		give(ctx, &e, sizeof(e));
	} else if (!owner(ctx, st)) {
		tell(ctx, sk, st, is_tcp(proto) && GET(sk, __sk_common.skc_num) && GET(sk, __sk_common.skc_state) != TCP_LISTEN ? KIND_LATE : KIND_RELEASED);
	}
	if (proto != IPPROTO_TCP)
		storage_drop(sk);
	return 0;
}

/* Who is in inet_bind, and with what. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u64);
} binding SEC(".maps");

/* of inet_bind and inet6_bind */
SEC("kprobe")
int probe_bind(void *ctx)
{
	__u64 who = bpf_get_current_pid_tgid(), sk = (__u64)GET((struct socket *)argument(ctx, 0), sk);

	bpf_map_update_elem(&binding, &who, &sk, BPF_ANY);
	return 0;
}

/* of their ends */
SEC("kretprobe")
int probe_bound(void *ctx)
{
	__u64 who = bpf_get_current_pid_tgid(), *at = bpf_map_lookup_elem(&binding, &who);
	struct sock *sk = at ? (void *)*at : NULL;
	struct told_sock *st;
	__u16 proto;

	if (!sk)
		return 0;
	bpf_map_delete_elem(&binding, &who);
	proto = protocol(sk);
	if (is_tcp(proto) || !GET(sk, __sk_common.skc_num)) /* told when it listens; was refused */
		return 0;
	st = storage(sk);
	if (!st || owner(ctx, st))
		return 0;
	return tell(ctx, sk, st, KIND_BOUND);
}

#endif
