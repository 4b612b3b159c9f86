/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel's own structures, as far as our programs read them. The names and types are the kernel's
 * (v6.18); where the fields are in the running kernel is put in when a program is loaded (CO-RE).
 * By hand rather than generated: it is less than a hundredth of a full vmlinux.h, shows what we rest on,
 * and does not change with the machine that builds.
 *
 * Two objects are made of each source. One is for kernels from 5.12 on that have the types of their own: what
 * such a program is given, it may read as it is, and its helpers know sockets. The other (OLDER) needs nothing that
 * came after 5.4: it reads all memory by a helper (as GET does), hangs on raw tracepoints and on functions, and
 * has a perf buffer where there is no ring. So it is also what a kernel without types takes, given a file of them.
 */
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>

#define AF_INET 2
#define AF_INET6 10
#define SOCK_DGRAM 2
#define SOCK_RAW 3

#define IPPROTO_TCP 6
#define IPPROTO_MPTCP 262

/* include/net/tcp_states.h */
#define TCP_SYN_SENT 2
#define TCP_FIN_WAIT1 4
#define TCP_FIN_WAIT2 5
#define TCP_CLOSE 7
#define TCP_LAST_ACK 9
#define TCP_LISTEN 10
#define TCP_CLOSING 11

#define PF_KTHREAD 0x00200000 /* include/linux/sched.h */

#define SOCK_DEAD 0 /* include/net/sock.h, a bit of skc_flags: no process has it any more */

#define S_IFMT 0170000
#define S_IFSOCK 0140000

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
	unsigned int inum;
};

struct net {
	__u64 net_cookie;
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct in6_addr {
	union {
		__u8 u6_addr8[16];
		__be32 u6_addr32[4];
	} in6_u;
};

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num; /* the local port, in host order; of raw sockets the protocol */
	unsigned short skc_family;
	volatile unsigned char skc_state;
	unsigned char skc_reuse : 4;
	unsigned char skc_reuseport : 1;
	unsigned char skc_ipv6only : 1;
	unsigned long skc_flags; /* enum sock_flags */
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	struct {
		__s64 counter;
	} skc_cookie; /* 0 before somebody asks for it */
};

typedef struct {
	unsigned int val;
} kuid_t;

struct sock {
	struct sock_common __sk_common;
	__u16 sk_type;
	__u16 sk_protocol;
	kuid_t sk_uid;
	int sk_err;
};

struct minmax_sample {
	__u32 v;
};

struct minmax {
	struct minmax_sample s[1]; /* the first is the least */
};

struct tcp_sock {
	__u64 bytes_sent, bytes_retrans, bytes_received, bytes_acked;
	__u32 snd_una, snd_nxt, write_seq; /* the first not acknowledged, not sent, not written */
	__u32 total_retrans;
	struct minmax rtt_min; /* microseconds, all ones before one was measured */
};

struct socket {
	struct file *file;
	struct sock *sk;
};

struct msghdr {
	void *msg_name; /* a copy, in the kernel's memory */
};

struct sk_buff {
	__u16 transport_header, network_header; /* from head */
	unsigned char *head;
};

struct ipv6_pinfo {
	int mcast_oif;
};

struct inet_sock {
	struct ipv6_pinfo *pinet6;
	__be16 inet_sport;
	int mc_index;
};

struct hlist_bl_node {
	struct hlist_bl_node **pprev;
};

struct qstr {
	__u32 len;
	const unsigned char *name;
};

struct dentry {
	struct hlist_bl_node d_hash; /* pprev: NULL when it is in no directory */
	struct dentry *d_parent;
	struct qstr d_name;
};

struct vfsmount {
	struct dentry *mnt_root;
};

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct inode {
	unsigned short i_mode;
};

struct file {
	struct path f_path;
	struct inode *f_inode;
	void *private_data;
};

struct mm_struct {
	unsigned long arg_start, arg_end;
	struct file *exe_file;
};

struct pid_namespace {
	struct ns_common ns;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[1];
};

struct nsproxy {
	struct net *net_ns;
};

struct user_namespace {
	struct ns_common ns;
};

typedef struct {
	__u64 val; /* two words before 6.3, the lower first on all machines that we are for */
} kernel_cap_t;

struct cred {
	kuid_t fsuid;
	kernel_cap_t cap_effective;
	struct user_namespace *user_ns;
};

struct seccomp {
	int mode;
};

struct list_head {
	struct list_head *next;
};

struct kernfs_node {
	struct kernfs_node *__parent;
	const char *name;
};

struct kernfs_node___before_6_15 {
	struct kernfs_node *parent;
};

struct cgroup {
	int level; /* 0 is the root */
	struct kernfs_node *kn;
};

/* Puts the processes of a css_set into a cgroup; there is one for each hierarchy. */
struct cgrp_cset_link {
	struct cgroup *cgrp;
	struct list_head cgrp_link;
};

struct css_set {
	struct list_head cgrp_links;
};

typedef struct {
	int counter;
} atomic_t;

struct signal_struct {
	atomic_t live; /* threads that have not exited */
};

struct task_struct {
	unsigned int flags;
	int pid; /* the thread's */
	int tgid;
	__u64 start_boottime; /* since 5.5 */
	__u64 self_exec_id;   /* counts this process's execs */
	char comm[16];
	struct mm_struct *mm;
	struct signal_struct *signal;
	struct pid *thread_pid;
	const struct cred *cred;
	struct nsproxy *nsproxy;
	struct seccomp seccomp;
	unsigned long atomic_flags;
	struct css_set *cgroups;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
};

struct task_struct___before_5_5 {
	__u64 real_start_time; /* what is start_boottime now */
};

/* Where the arguments of a function are at its beginning: in registers that each architecture names in its own way. */
struct pt_regs___x86 {
	unsigned long di, si;
};

struct pt_regs___arm64 {
	__u64 regs[31], pstate;
};

struct pt_regs___riscv {
	unsigned long a0, a1;
};

struct pt_regs___loongarch {
	unsigned long regs[32], csr_era;
};

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task_file {
	union {
		struct bpf_iter_meta *meta;
	};
	union {
		struct task_struct *task;
	};
	__u32 fd;
	union {
		struct file *file;
	};
};

#pragma clang attribute pop

#ifndef OLDER

#define TRACEPOINT "tp_btf/"
#define GET(p, field) ((p)->field)
#define GET_BITS(p, field) BPF_CORE_READ_BITFIELD(p, field)
#define running() bpf_get_current_task_btf()
#define started(t) BPF_CORE_READ(t, start_boottime)
#define executed(t) ((t)->self_exec_id)
#define protocol(sk) ((sk)->sk_protocol)
#define type(sk) ((sk)->sk_type)

#else

#define TRACEPOINT "raw_tp/"
#define GET(p, field) BPF_CORE_READ(p, field)
#define GET_BITS(p, field) BPF_CORE_READ_BITFIELD_PROBED(p, field)
#define running() ((struct task_struct *)bpf_get_current_task())
#define executed(t) GET_BITS(t, self_exec_id) /* 32 bits before 5.6 */
#define protocol(sk) GET_BITS(sk, sk_protocol) /* before 5.6 they are */
#define type(sk) GET_BITS(sk, sk_type)

/* Set before loading. Without a ring, the map of that name is an array of perf events. */
const volatile _Bool has_ring = 1;

static __always_inline __u64 started(struct task_struct *t)
{
	if (bpf_core_field_exists(t->start_boottime))
		return BPF_CORE_READ(t, start_boottime);
	return BPF_CORE_READ((struct task_struct___before_5_5 *)t, real_start_time);
}

/* argument gives the first or second of a function that has just been called. */
static __always_inline void *argument(void *ctx, const int n)
{
	struct pt_regs___x86 *x86 = ctx;
	struct pt_regs___arm64 *arm64 = ctx;
	struct pt_regs___riscv *riscv = ctx;
	struct pt_regs___loongarch *loongarch = ctx;

	if (bpf_core_field_exists(x86->di))
		return (void *)(n ? BPF_CORE_READ(x86, si) : BPF_CORE_READ(x86, di));
	if (bpf_core_field_exists(arm64->pstate))
		return (void *)(n ? BPF_CORE_READ(arm64, regs[1]) : BPF_CORE_READ(arm64, regs[0]));
	if (bpf_core_field_exists(riscv->a0))
		return (void *)(n ? BPF_CORE_READ(riscv, a1) : BPF_CORE_READ(riscv, a0));
	if (bpf_core_field_exists(loongarch->csr_era))
		return (void *)(n ? BPF_CORE_READ(loongarch, regs[5]) : BPF_CORE_READ(loongarch, regs[4]));
	return NULL;
}

#endif

/*
 * REPEAT calls a step until it gives something else than 0, so many times at most. By the kernel's own loop, since 5.17,
 * the verifier looks at a step once, else as often as it is done. 5.12 does not take a function as an argument, not even where
 * it is not used, and so takes the programs for older ones.
 */
#ifndef OLDER

enum bpf_func_id___loop { BPF_FUNC_loop___loop = 181 };

#define STEP __noinline long
#define REPEAT(times, step, walk)                                                        \
	do {                                                                             \
		if (bpf_core_enum_value_exists(enum bpf_func_id___loop, BPF_FUNC_loop___loop)) \
			bpf_loop(times, step, walk, 0);                                  \
		else                                                                     \
			for (int i = 0; i < (times) && !step(i, walk); i++)              \
				;                                                        \
	} while (0)

#else

#define STEP __always_inline long
#define REPEAT(times, step, walk)                           \
	for (int i = 0; i < (times) && !step(i, walk); i++) \
		;

#endif

/* put hands something to user space. */
static __always_inline long put(void *ctx, void *ring, void *e, __u64 size, __u64 flags)
{
#ifdef OLDER
	if (!has_ring)
		return bpf_perf_event_output(ctx, ring, BPF_F_CURRENT_CPU, e, size);
#endif
	return bpf_ringbuf_output(ring, e, size, flags);
}

/* Kernels may be built without IPv6 and without network namespaces. */
#define HAS_V6(c) bpf_core_field_exists((c)->skc_v6_daddr)

static __always_inline __u32 netns(const struct sock_common *c)
{
	return bpf_core_field_exists(c->skc_net.net) ? BPF_CORE_READ(c, skc_net.net, ns.inum) : 0;
}
