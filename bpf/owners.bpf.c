//go:build ignore

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whose socket is it? Every hook here but the ones that only give a socket's address runs in the
 * process that does something with the socket. What it did is told once through the ring buffer; as long
 * as the same process goes on with the same socket, a look at the socket's own storage is all it costs.
 *
 * An owner is the thread-group leader: of a socket, the last process that connected it, sent or received
 * through it; before that, who bound it or listens; at the very least, who closed it. Of a UDP socket that is not
 * connected and that several processes use, each other end is told with the process that has to do with it.
 */
#include "kernel.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* What happened. */
enum kind {
	KIND_USED = 1,	/* the process connected the socket, sent or received */
	KIND_LISTENS,
	KIND_BOUND,	/* to a port of its choice, not TCP */
	KIND_PEER,	/* sends to or receives from remote, the socket not being connected */
	KIND_RELEASED,	/* the last descriptor has gone; what is said of the process holds where nothing better is known */
	KIND_LATE,	/* as released, of a socket that was not told: with its addresses */
	KIND_FOUND,	/* by the iterator: the process has a descriptor of it */
	KIND_DESTROYED, /* no process is told */
	KIND_CREATED,	/* no addresses yet */
	KIND_PROCESS = 16,
	KIND_RENAMED,
	KIND_EXITED,
	KIND_MOVED, /* to another cgroup */
};

#define FLAG_SHARED 1 /* the port may be other sockets' too: SO_REUSEADDR, SO_REUSEPORT */
#define FLAG_V6ONLY 2
#define FLAG_FOLLOWED 4 /* the owner is one of those that are followed */
#define FLAG_SEVERAL 8 /* several processes use the socket: whom each has to do with is told */

struct header {
	__u64 start; /* of the process: nanoseconds since boot */
	__u32 pid;   /* the process's number in our namespace, 0 = not told or not in it */
	__u16 kind;
	__u16 proto; /* of the socket */
};

struct sock_event {
	struct header h;
	__u64 ts_ns; /* CLOCK_MONOTONIC; 0 from the iterator */
	__u64 cookie;
	__u8 local[16], remote[16]; /* IPv4 in the first four */
	__u32 uid;		    /* the socket's */
	__u32 netns;
	__u16 lport, rport;
	__u8 family, type, state, flags;
};
_Static_assert(sizeof(struct sock_event) == 80, "sock_event: user space reads 80 bytes");

#define EXE_MAX 1024
#define CGROUP_MAX 1024
#define ARGS_MAX 2048
#define DEPTH 40	/* components of a path; every one costs time when a program is loaded */
#define CGROUP_DEPTH 20 /* a container in a container's pod has about twelve */
#define HIERARCHIES 16	/* of cgroups: one, and with version 1 one more for each controller */
#define ANCESTORS 12

struct ancestor {
	__u64 start;
	__u32 pid; /* 0 = not in our PID namespace */
	char comm[16];
	__u8 pad[4];
};
_Static_assert(sizeof(struct ancestor) == 32, "ancestor: user space reads 32 bytes");

struct proc_event {
	struct header h;
	__u64 ts_ns; /* CLOCK_MONOTONIC */
	__u64 caps;  /* effective */
	__u32 userns;
	__u32 args_len; /* what there is; what follows may be less */
	/* What follows the event: paths as components, each ended by a zero, the last one first. */
	__u16 exe_size, cgroup_size, args_size;
	__u8 exe_cut, exe_deleted, ancestors;
	__u8 seccomp; /* SECCOMP_MODE_ */
	__u8 no_new_privs, pad[5];
	char comm[16];
	char parent_exe[64];	       /* the last component */
	struct ancestor above[ANCESTORS]; /* the parent first */
};
_Static_assert(sizeof(struct proc_event) == 520, "proc_event: user space reads 520 bytes");

struct task_event {
	struct header h;
	__u64 ts_ns;
	char comm[16];
};

/* A structure is in the object's BTF, for the test of the layouts, when a variable is of its type. */
const struct sock_event *in_btf __attribute__((unused));
const struct task_event *in_btf_too __attribute__((unused));

/* Set before loading. */
const volatile __u32 pid_namespace = 0; /* inode of ours; 0 = the first */
/*
 * Whether this program tells of the process too. That is most of what the verifier has to look at, so
 * only those do without which a process would not be told.
 */
const volatile _Bool tells_process = 1;
/* The process, as number gives it, whose children are followed, and theirs; 0 = nobody's are. */
const volatile __u32 followed = 0;

/* Set when it is known which programs could be attached. */
volatile _Bool has_sockops = 0; /* tell_connect says the address of who connects */
volatile _Bool has_use = 0;	/* told_send and told_receive see all use */
volatile _Bool has_release = 0; /* the release of sockets is told */

/* What did not reach user space. */
struct losses {
	__u64 ring, storage, scratch;
};
volatile struct losses lost = {};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} ring SEC(".maps");

/* give hands an event to user space. */
static __always_inline int give(void *ctx, void *e, __u64 size)
{
	if (!put(ctx, &ring, e, size, BPF_RB_NO_WAKEUP))
		return 0;
	__sync_fetch_and_add(&lost.ring, 1);
	return -1;
}

/* What was told of a socket. It goes with the socket. */
struct told_sock {
	__u64 start;
	__u64 exec_id;
	__u32 told_ms; /* only kept where the socket goes to and fro between processes */
	__u32 tgid;    /* as the kernel numbers it, 0 = nothing told */
	__u32 pid;
	__u32 uid;
	__u32 netns;
	__be32 daddr;
	__u16 lport;
	__be16 dport;
	__u16 changes;
	__u8 shared, followed;
	__u8 several; /* processes have used it */
	__u8 pad[7];
	__u64 cookie; /* of a slot: whose it is, 0 = nobody's. Before 5.12 what stands for it */
};
_Static_assert(sizeof(struct told_sock) == 64, "told_sock: a slot is a cache line's size");

#ifndef OLDER

/*
 * It is kept in a slot, which costs least, or where that is another socket's at the time, in the socket's own storage,
 * for which the kernel has to get memory. Cookies are given in order: only as many sockets later one comes to the same slot.
 */
#define SLOTS 16384
#define SLOT_BUSY ~0ull

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE); /* then it begins with a page, and each slot with a cache line */
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__type(value, struct told_sock);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct told_sock);
} socks SEC(".maps");

static __always_inline struct told_sock *slot_of(__u64 cookie)
{
	__u32 at = cookie & (SLOTS - 1);

	return bpf_map_lookup_elem(&slots, &at);
}

/* kept gives what is kept of the socket that has the cookie, NULL when nothing is. */
static __always_inline struct told_sock *kept(void *sk, __u64 cookie)
{
	struct told_sock *st = slot_of(cookie);

	if (st && cookie && st->cookie == cookie)
		return st;
	return bpf_sk_storage_get(&socks, sk, 0, 0);
}

/*
 * claimed gives the slot of a socket, NULL when another one has it. It is anew when nobody had it. Slots are only had
 * where we are told when to give them back.
 */
static __always_inline struct told_sock *claimed(__u64 cookie)
{
	struct told_sock *st = slot_of(cookie);

	if (!st || !has_release)
		return NULL;
	if (st->cookie == cookie)
		return st;
	if (st->cookie || __sync_val_compare_and_swap(&st->cookie, 0, SLOT_BUSY))
		return NULL;
	__builtin_memset(st, 0, __builtin_offsetof(struct told_sock, cookie));
	__sync_lock_test_and_set(&st->cookie, cookie); /* after all else */
	return st;
}

static __always_inline struct told_sock *storage_made(void *sk, __u64 cookie)
{
	struct told_sock *st = claimed(cookie);

	return st ? st : bpf_sk_storage_get(&socks, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
}

/* unclaim gives a slot back. Nothing may be read from it any more. */
static __always_inline void unclaim(struct told_sock *st)
{
	__sync_lock_test_and_set(&st->cookie, 0);
}

#define STORAGE_OF(sk) kept(sk, GET(sk, __sk_common.skc_cookie.counter))
#define STORAGE_MADE(sk) storage_made(sk, bpf_get_socket_cookie(sk))
#define COOKIE(sk, st) bpf_get_socket_cookie(sk)
#define SOCKET_OF(file) bpf_sock_from_file(file)
#define USE __always_inline

#else

/* By address, until the socket is gone. The least used go when there are too many: they are told anew. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct told_sock);
} socks SEC(".maps");

/* address makes a number of what the verifier may take for a pointer, which is no key. */
static __always_inline __u64 address(void *sk)
{
	__u64 at = 0;

	bpf_probe_read_kernel(&at, sizeof(at), &sk);
	return at;
}

static __always_inline struct told_sock *storage_of(void *sk)
{
	__u64 at = address(sk);

	return bpf_map_lookup_elem(&socks, &at);
}

static __always_inline struct told_sock *storage_made(void *sk)
{
	__u64 at = address(sk);
	struct told_sock none = {}, *st = bpf_map_lookup_elem(&socks, &at);

	if (st)
		return st;
	none.cookie = at ^ bpf_ktime_get_ns() << 16; /* no two sockets are at one place at a time */
	bpf_map_update_elem(&socks, &at, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&socks, &at);
}

static __always_inline void storage_drop(void *sk)
{
	__u64 at = address(sk);

	bpf_map_delete_elem(&socks, &at);
}

/* socket_of gives the socket of an open file, NULL when it is something else. */
static __always_inline struct socket *socket_of(struct file *f)
{
	struct socket *s;

	if ((BPF_CORE_READ(f, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	s = BPF_CORE_READ(f, private_data);
	return s && BPF_CORE_READ(s, file) == f ? s : NULL;
}

#define STORAGE_OF(sk) storage_of(sk)
#define STORAGE_MADE(sk) storage_made(sk)
#define COOKIE(sk, st) ((st)->cookie)
#define SOCKET_OF(file) socket_of(file)
#define USE __noinline /* by many programs */

#endif

/*
 * What was told of the other ends of sockets whose port alone does not say whose they are: at the place of socket and other end a mark
 * of these, the process and the time. What is told once more, since another had the place, is only told in vain.
 */
struct meeting {
	__u64 mark;
	__u32 of; /* the socket and other end */
	__u16 changes, told;
};
_Static_assert(sizeof(struct meeting) == 16, "meeting: its places are reckoned in");

#define MEETINGS 16384

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MEETINGS);
	__type(key, __u32);
	__type(value, struct meeting);
} meetings SEC(".maps");

/*
 * Which programs were told, by process, as long as there is that. Where more live at a time than there is room for, the least used
 * go: what becomes of those is told when they next do something with a socket that they did not have.
 */
struct told_proc {
	__u64 start;
	__u64 exec_id;
	__u64 caps;
	__u32 confined; /* how it is */
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct told_proc);
} procs SEC(".maps");

/*
 * The processes that are followed, and when each began: a number may be another's since. As many as live
 * at a time, with all the memory from the start: at a fork it may not be to be had. User space makes it of one entry
 * where nobody is followed.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, __u64);
} family SEC(".maps");

/*
 * Room to put a process event together. Hooks may interrupt each other, so there is more than one. What walks from
 * one thing of the kernel's to the next keeps its place here too: of what is in memory the verifier knows nothing, so that it
 * takes one step to be like the other.
 */
struct room {
	struct proc_event e;
	__u8 data[EXE_MAX + 256 + CGROUP_MAX + 256 + ARGS_MAX];
	union {
		struct {
			struct dentry *d;
			struct mount *m;
		} path;
		struct task_struct *above;
		struct {
			struct list_head *head, *at;
			struct cgroup *best;
			__s64 level;
		} deepest;
		struct kernfs_node *kn;
	};
	__u32 pos; /* in data */
	__u32 busy;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct room);
} rooms SEC(".maps");

/*
 * who gives the leader of the running process, NULL when it is the kernel that runs. Pointers are followed by
 * a helper also where a program might do it by itself: for each of those that it does, the verifier of 6.18 goes through
 * the names of all the kernel's types, three times.
 */
static __always_inline struct task_struct *who(void)
{
	struct task_struct *t = running();

	if (GET(t, flags) & PF_KTHREAD)
		return NULL;
	return BPF_CORE_READ(t, group_leader);
}

/* number gives a process's number in our PID namespace. */
static __always_inline __u32 number(struct task_struct *leader)
{
	struct pid *pid;
	void *at;

	if (!pid_namespace)
		return BPF_CORE_READ(leader, tgid);
	pid = BPF_CORE_READ(leader, thread_pid);
	at = (void *)pid + bpf_core_field_offset(struct pid, numbers);
	for (int i = 0; i < 8; i++) {
		struct upid *u = at + i * bpf_core_type_size(struct upid);

		if (i > BPF_CORE_READ(pid, level))
			break;
		if (BPF_CORE_READ(u, ns, ns.inum) == pid_namespace)
			return BPF_CORE_READ(u, nr);
	}
	return 0;
}

static __always_inline _Bool is_followed(struct task_struct *leader)
{
	__u32 tgid = BPF_CORE_READ(leader, tgid);
	__u64 *start = bpf_map_lookup_elem(&family, &tgid);

	return start && *start == started(leader);
}

/* climb steps from the root of a mount to what it is mounted on, and tells whether there is more above. */
static __always_inline _Bool climb(struct mount **m, struct dentry **d)
{
	struct mount *over;

	if (*d != BPF_CORE_READ(*m, mnt.mnt_root))
		return 1;
	over = BPF_CORE_READ(*m, mnt_parent);
	if (over == *m)
		return 0;
	*d = BPF_CORE_READ(*m, mnt_mountpoint);
	*m = over;
	return 1;
}

/*
 * exe_step puts one component of a path behind the others. Both branches of climb leave the verifier with the same
 * state: where each step is another to it, it would go through DEPTH * DEPTH / 2 of them.
 */
static STEP exe_step(__u32 i, struct room **at)
{
	struct room *r = *at;
	struct dentry *d = r->path.d, *up;
	struct mount *m = r->path.m;
	const unsigned char *name;
	__u32 pos, len;

	if (!climb(&m, &d) || !climb(&m, &d)) {
		r->e.exe_cut = 0;
		return 1;
	}
	len = BPF_CORE_READ(d, d_name.len) & 0xff;
	name = BPF_CORE_READ(d, d_name.name);
	pos = r->pos; /* as late as this, or the verifier of 6.1 would not see the bound */
	if (pos >= EXE_MAX || bpf_probe_read_kernel(r->data + pos, len, name))
		return 1;
	pos += len;
	if (pos < EXE_MAX)
		r->data[pos++] = 0;
	r->pos = pos;
	if (pos >= EXE_MAX)
		return 1;
	up = BPF_CORE_READ(d, d_parent);
	r->path.d = up;
	r->path.m = m;
	if (d != up)
		return 0;
	r->e.exe_cut = 0; /* in no directory: a memfd */
	return 1;
}

/* exe puts the components of a file's path into data. */
static __always_inline void exe(struct room *r, struct file *f)
{
	struct vfsmount *v = BPF_CORE_READ(f, f_path.mnt);

	r->path.d = BPF_CORE_READ(f, f_path.dentry);
	r->path.m = (void *)v - bpf_core_field_offset(struct mount, mnt);
	r->pos = 0;
	r->e.exe_cut = 1;
	REPEAT(DEPTH, exe_step, &r);
	r->e.exe_size = r->pos;
}

/* args puts the process's arguments behind pos. Only what is in memory can be read here. */
static __always_inline __u32 args(struct room *r, __u32 pos, struct mm_struct *mm)
{
	unsigned long at = BPF_CORE_READ(mm, arg_start), end = BPF_CORE_READ(mm, arg_end);
	unsigned long len = end - at, page = 4096 - (at & 4095);

	if (end <= at || pos >= EXE_MAX + 256 + CGROUP_MAX + 256)
		return 0;
	r->e.args_len = len;
	if (len > ARGS_MAX)
		len = ARGS_MAX;
	if (!bpf_probe_read_user(r->data + pos, len, (void *)at))
		return len;
	if (len > page)
		len = page;
	barrier_var(len); /* the verifier of 6.1 would not see the bound otherwise */
	if (len > ARGS_MAX || bpf_probe_read_user(r->data + pos, len, (void *)at))
		return 0;
	return len;
}

static STEP above_step(__u32 i, struct room **at)
{
	struct room *r = *at;
	struct task_struct *p = r->above;
	struct ancestor *a;

	if (!BPF_CORE_READ(p, tgid))
		return 1;
	barrier_var(i);
	if (i >= ANCESTORS)
		return 1;
	a = &r->e.above[i];
	a->start = started(p);
	a->pid = number(p);
	bpf_probe_read_kernel(a->comm, sizeof(a->comm), &p->comm);
	r->e.ancestors = i + 1;
	r->above = BPF_CORE_READ(p, real_parent, group_leader);
	return 0;
}

/* above puts the ancestors into the event, as far up as there is room for. */
static __always_inline void above(struct room *r, struct task_struct *leader)
{
	struct task_struct *p = BPF_CORE_READ(leader, real_parent, group_leader);
	struct dentry *d = BPF_CORE_READ(p, mm, exe_file, f_path.dentry);

	r->e.parent_exe[0] = 0;
	bpf_probe_read_kernel_str(r->e.parent_exe, sizeof(r->e.parent_exe), BPF_CORE_READ(d, d_name.name));
	r->above = p;
	REPEAT(ANCESTORS, above_step, &r);
}

/* Without branches, of which the verifier would follow both sides each time round, where it goes round. */
static STEP deepest_step(__u32 i, struct room **at)
{
	struct room *r = *at;
	struct list_head *was = r->deepest.at, *next = BPF_CORE_READ(was, next);
	struct cgrp_cset_link *link = (void *)next - bpf_core_field_offset(struct cgrp_cset_link, cgrp_link);
	struct cgroup *c = BPF_CORE_READ(link, cgrp);
	__s64 level = BPF_CORE_READ(c, level), deeper, end;

	end = (__s64)next - (__s64)r->deepest.head; /* the head is no link; what is read there is nonsense */
	end = (end | -end) >> 63;
	deeper = (r->deepest.level - level) >> 63 & end;
	asm volatile("" : "+r"(deeper));
	r->deepest.best = (void *)(((__u64)r->deepest.best & ~deeper) | ((__u64)c & deeper));
	r->deepest.level = (r->deepest.level & ~deeper) | (level & deeper);
	r->deepest.at = next;
	return 0;
}

/* deepest gives the process's cgroup in the hierarchy where it is farthest from the root: it says most. */
static __always_inline struct kernfs_node *deepest(struct room *r, struct task_struct *leader)
{
	struct css_set *set = BPF_CORE_READ(leader, cgroups);
	struct cgroup *c;

	r->deepest.head = r->deepest.at = (void *)set + bpf_core_field_offset(struct css_set, cgrp_links);
	r->deepest.best = NULL;
	r->deepest.level = 0;
	REPEAT(HIERARCHIES, deepest_step, &r);
	c = r->deepest.best;
	return BPF_CORE_READ(c, kn); /* NULL when it is in the root of all */
}

static STEP cgroup_step(__u32 i, struct room **at)
{
	struct room *r = *at;
	struct kernfs_node *kn = r->kn, *up;
	const char *name = BPF_CORE_READ(kn, name);
	__u32 pos;
	long len;

	if (bpf_core_field_exists(kn->__parent))
		up = BPF_CORE_READ(kn, __parent);
	else
		up = BPF_CORE_READ((struct kernfs_node___before_6_15 *)kn, parent);
	pos = r->pos;
	if (!up || pos >= EXE_MAX + 256 + CGROUP_MAX)
		return 1;
	len = bpf_probe_read_kernel_str(r->data + pos, 256, name);
	if (len <= 0 || len > 256)
		return 1;
	r->pos = pos + len;
	r->kn = up;
	return 0;
}

/*
 * cgroup puts the components of the path of the process's cgroup behind pos. The names are read here
 * because the directory of a container that lived no longer than its one program is gone when we are told.
 */
static __always_inline void cgroup(struct room *r, __u32 pos, struct task_struct *leader)
{
	if (!bpf_core_field_exists(leader->cgroups) || !bpf_core_type_exists(struct cgrp_cset_link))
		return;
	r->kn = deepest(r, leader);
	r->pos = pos;
	REPEAT(CGROUP_DEPTH, cgroup_step, &r);
	r->e.cgroup_size = r->pos - pos;
}

/* confined is the seccomp mode and whether more privileges can be had by exec. */
static __always_inline __u32 confined(struct task_struct *leader)
{
	__u32 mode = 0;

	if (bpf_core_field_exists(leader->seccomp.mode))
		mode = BPF_CORE_READ(leader, seccomp.mode);
	return mode << 1 | (BPF_CORE_READ(leader, atomic_flags) & 1); /* PFA_NO_NEW_PRIVS */
}

static __always_inline __u64 caps(struct task_struct *leader)
{
	const struct cred *c = BPF_CORE_READ(leader, cred);
	__u64 v = 0;

	bpf_probe_read_kernel(&v, sizeof(v), (void *)c + bpf_core_field_offset(struct cred, cap_effective));
	return v;
}

/*
 * written gives a size that was put into the event. The verifier knows no more of what comes from memory
 * than its bound, so that all ways that led here are one to it, and it looks at what follows once.
 */
static __always_inline __u32 written(const __u16 *size, __u32 max)
{
	__u32 n = *(const volatile __u16 *)size;

	return n > max ? 0 : n;
}

/* tell_room tells what has been put together. */
static __always_inline int tell_room(void *ctx, struct room *r, __u32 size)
{
	if (size > sizeof(r->data))
		size = 0;
	return give(ctx, &r->e, sizeof(r->e) + size);
}

static __always_inline void fill_room(void *ctx, struct room *r, struct task_struct *leader, struct task_struct *t)
{
	/* A leader that has exited before its threads has no memory any more; they have it. */
	struct mm_struct *mm = BPF_CORE_READ(t, mm);
	struct file *f = BPF_CORE_READ(mm, exe_file);
	__u32 size;
	struct told_proc told = {.start = started(leader), .exec_id = executed(t), .caps = caps(leader), .confined = confined(leader)};
	__u32 tgid = GET(t, tgid);

	__builtin_memset(&r->e, 0, sizeof(r->e));
	r->e.h.kind = KIND_PROCESS;
	r->e.h.start = told.start;
	r->e.h.pid = number(leader);
	r->e.ts_ns = bpf_ktime_get_ns();
	r->e.caps = told.caps;
	r->e.userns = BPF_CORE_READ(leader, cred, user_ns, ns.inum);
	r->e.seccomp = told.confined >> 1;
	r->e.no_new_privs = told.confined & 1;
	bpf_probe_read_kernel(r->e.comm, sizeof(r->e.comm), &leader->comm);
	above(r, leader);
	if (f) {
		exe(r, f);
		r->e.exe_deleted = !BPF_CORE_READ(f, f_path.dentry, d_hash.pprev);
	}
	cgroup(r, written(&r->e.exe_size, EXE_MAX + 256), leader);
	size = written(&r->e.exe_size, EXE_MAX + 256) + written(&r->e.cgroup_size, CGROUP_MAX + 256);
	if (mm)
		r->e.args_size = args(r, size, mm);
	if (tell_room(ctx, r, size + written(&r->e.args_size, ARGS_MAX)))
		return;
	bpf_map_update_elem(&procs, &tgid, &told, BPF_ANY);
}

/*
 * take marks room as ours as long as it is busy. It is this processor's alone, so that a count does without
 * an exchange, which kernels have since 5.12: of two that interrupt each other at most one counts to one.
 */
static __always_inline _Bool take(struct room *r)
{
	__sync_fetch_and_add(&r->busy, 1);
	if (*(volatile __u32 *)&r->busy == 1)
		return 1;
	__sync_fetch_and_add(&r->busy, -1);
	return 0;
}

static __always_inline void leave(struct room *r)
{
	__sync_fetch_and_add(&r->busy, -1);
}

/* take_room gives room that is ours until we leave it. */
static __always_inline struct room *take_room(void)
{
	__u32 zero = 0, one = 1;
	struct room *r = bpf_map_lookup_elem(&rooms, &zero);

	if (r && !take(r)) {
		r = bpf_map_lookup_elem(&rooms, &one);
		if (r && !take(r))
			r = NULL;
	}
	if (!r)
		__sync_fetch_and_add(&lost.scratch, 1);
	return r;
}

/*
 * tell_process tells of the running process, if its program was not told yet, or has given up or been
 * given powers since.
 */
static __noinline int tell_process(void *ctx)
{
	struct task_struct *t = running(), *leader = BPF_CORE_READ(t, group_leader);
	__u32 tgid = GET(t, tgid);
	struct told_proc *told = bpf_map_lookup_elem(&procs, &tgid);
	struct room *r;

	if (told && told->start == started(leader) && (told->exec_id == executed(t) || !BPF_CORE_READ(t, mm)) &&
	    told->caps == caps(leader) && told->confined == confined(leader))
		return 0;
	r = take_room();
	if (!r)
		return 0;
	fill_room(ctx, r, leader, t);
	leave(r);
	return 0;
}

/* tell_who tells of the running process and gives it, NULL when it is the kernel that runs. */
static __always_inline struct task_struct *tell_who(void *ctx)
{
	struct task_struct *leader = who();

	if (leader && tells_process)
		tell_process(ctx);
	return leader;
}

/* set_owner puts a process into what is told of a socket. */
static __always_inline void set_owner(struct told_sock *st, struct task_struct *leader)
{
	struct task_struct *t = running();

	st->tgid = GET(t, tgid);
	st->pid = number(leader);
	st->start = started(leader);
	st->exec_id = executed(t);
	st->followed = followed && is_followed(leader);
}

/* owner does both. */
static __always_inline int owner(void *ctx, struct told_sock *st)
{
	struct task_struct *leader = tell_who(ctx);

	if (!leader)
		return -1;
	set_owner(st, leader);
	return 0;
}

static __always_inline _Bool is_tcp(__u16 proto) { return proto == IPPROTO_TCP || proto == IPPROTO_MPTCP; }

static __always_inline void from_told(struct sock_event *e, const struct told_sock *st, __u64 cookie, __u16 kind)
{
	__builtin_memset(e, 0, sizeof(*e));
	e->h.kind = kind;
	e->h.pid = st->pid;
	e->h.start = st->start;
	e->ts_ns = bpf_ktime_get_ns();
	e->cookie = cookie;
	e->uid = st->uid;
	e->netns = st->netns;
	e->flags = (st->followed ? FLAG_FOLLOWED : 0) | (st->several ? FLAG_SEVERAL : 0);
}

static __always_inline void from_common(struct sock_event *e, const struct sock_common *c)
{
	__be32 *local = (__be32 *)e->local, *remote = (__be32 *)e->remote;

	e->family = GET(c, skc_family);
	e->state = GET(c, skc_state);
	e->lport = GET(c, skc_num);
	e->rport = bpf_ntohs(GET(c, skc_dport));
	if (e->family == AF_INET) {
		local[0] = GET(c, skc_rcv_saddr);
		remote[0] = GET(c, skc_daddr);
	} else if (HAS_V6(c)) {
		for (int i = 0; i < 4; i++) {
			local[i] = GET(c, skc_v6_rcv_saddr.in6_u.u6_addr32[i]);
			remote[i] = GET(c, skc_v6_daddr.in6_u.u6_addr32[i]);
		}
	}
	if (GET_BITS(c, skc_reuse) || GET_BITS(c, skc_reuseport))
		e->flags |= FLAG_SHARED;
	if (GET_BITS(c, skc_ipv6only))
		e->flags |= FLAG_V6ONLY;
}

static __always_inline void from_sock(struct sock_event *e, struct sock *sk)
{
	const struct sock_common *c = &sk->__sk_common;

	e->h.proto = protocol(sk);
	if (is_tcp(e->h.proto))
		e->h.proto = IPPROTO_TCP;
	e->type = type(sk);
	e->uid = GET(sk, sk_uid.val);
	e->netns = netns(c);
	from_common(e, c);
	if (!e->lport) /* a socket that has closed has given its port back, and still has it here */
		e->lport = bpf_ntohs(BPF_CORE_READ((struct inet_sock *)sk, inet_sport));
	if (e->type == SOCK_RAW)
		e->lport = e->rport = 0;
}

/* destination is what a change of the remote end shows in. */
static __always_inline __be32 destination(struct sock *sk)
{
	const struct sock_common *c = &sk->__sk_common;

	if (GET(c, skc_family) == AF_INET6 && HAS_V6(c))
		return GET(c, skc_v6_daddr.in6_u.u6_addr32[3]);
	return GET(c, skc_daddr);
}

/*
 * tell reports a socket with its addresses and the owner in st. What does not get through is told again
 * at the next use.
 */
static __noinline int tell(void *ctx, struct sock *sk, struct told_sock *st, __u16 kind)
{
	struct sock_event e;

	if (!sk || !st)
		return 0;
	from_told(&e, st, COOKIE(sk, st), kind);
	from_sock(&e, sk);
	if (give(ctx, &e, sizeof(e))) {
		st->tgid = 0;
		return 0;
	}
	st->uid = e.uid;
	st->netns = e.netns;
	st->shared = e.flags & FLAG_SHARED;
	return 0;
}

#ifndef OLDER

/*
 * storage gives what is kept of a socket, from now on. NULL = there is no memory: here nobody can wait for it, and
 * a socket may have only so much of its own (optmem_max). What cannot be kept is told all the same, each time anew.
 */
#define storage(sk) STORAGE_MADE(sk)

/* tell_unkept is tell for a socket without storage. The process was told. */
static __noinline int tell_unkept(void *ctx, struct sock *sk, __u16 kind)
{
	struct task_struct *leader = who();
	struct told_sock by = {};

	if (!leader || !sk)
		return 0;
	set_owner(&by, leader);
	return tell(ctx, sk, &by, kind);
}

#else

/* Here storage fails when all that is kept is being used at that moment, and without it a socket has no name. */
#define storage(sk)                                             \
	({                                                      \
		struct told_sock *st = STORAGE_MADE(sk);        \
		if (!st)                                        \
			__sync_fetch_and_add(&lost.storage, 1); \
		st;                                             \
	})

#define tell_unkept(ctx, sk, kind) 0

#endif

#define SWITCHES 16   /* between processes, before they are told less often */
#define SWITCH_MS 100 /* then at most so often */

static __always_inline __u64 mix(__u64 h, __u64 v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15;
	return h ^ h >> 32;
}

/* The other end of a socket that is not connected: an IPv4 address is the last of four words. */
struct other {
	__be32 addr[4];
	__be16 port;
	__u16 family;
};

static __always_inline __u64 hashed(__u64 cookie, const struct other *o)
{
	__u64 h = mix(cookie, (__u64)o->addr[3] << 16 | o->port);

	return o->family == AF_INET6 ? mix(mix(h, (__u64)o->addr[0] << 32 | o->addr[1]), o->addr[2]) : h;
}

static __always_inline struct meeting *meeting_at(__u64 hash)
{
	__u32 at = hash & (MEETINGS - 1);

	return bpf_map_lookup_elem(&meetings, &at);
}

/*
 * told_meeting tells whether it was told that this process has to do with the other end, seconds ago at most: user space does not
 * remember it for long. If not, it is about to be. Of several processes in turn it is told as of those that use a socket.
 */
static __always_inline _Bool told_meeting(__u64 hash, __u32 tgid)
{
	__u64 now = bpf_ktime_get_ns(), mark = mix(hash, (__u64)tgid << 32 | now >> 32);
	__u32 of = hash >> 32;
	struct meeting *m = meeting_at(hash);

	if (!m)
		return 0;
	if (m->mark == mark)
		return 1;
	if (m->of != of) {
		m->of = of;
		m->changes = 0;
	} else if (++m->changes > SWITCHES) {
		__u16 ms = now / 1000000;

		m->changes = SWITCHES;
		if ((__u16)(ms - m->told) < SWITCH_MS)
			return 1;
		m->told = ms;
	}
	m->mark = mark;
	return 0;
}

/* untold_meeting is for what did not get through. */
static __always_inline void untold_meeting(__u64 hash)
{
	struct meeting *m = meeting_at(hash);

	if (m)
		m->mark = 0;
}

static USE int use(void *ctx, struct sock *sk)
{
	__u16 family = GET(sk, __sk_common.skc_family);
	struct task_struct *t, *leader;
	struct told_sock *st;
	__u32 tgid;

	if (family != AF_INET && family != AF_INET6)
		return 0;
	t = running();
	tgid = GET(t, tgid);
	st = STORAGE_OF(sk);
	if (st && st->tgid == tgid && st->exec_id == executed(t) && st->dport == GET(sk, __sk_common.skc_dport) &&
	    st->lport == GET(sk, __sk_common.skc_num) && st->daddr == destination(sk))
		return 0;
	if (GET(t, flags) & PF_KTHREAD)
		return 0;
	leader = tell_who(ctx); /* before there is an st again, or the verifier looks at all of it twice */
	if (!leader)
		return 0;
	st = storage(sk);
	if (!st)
		return tell_unkept(ctx, sk, KIND_USED);
	if (st->tgid && st->tgid != tgid) {
		st->several = 1;
		if (++st->changes > SWITCHES) {
			__u32 now = bpf_ktime_get_ns() / 1000000;

			if (now - st->told_ms < SWITCH_MS)
				return 0;
			st->told_ms = now;
			st->changes = SWITCHES;
		}
	}
	set_owner(st, leader);
	st->lport = GET(sk, __sk_common.skc_num);
	st->dport = GET(sk, __sk_common.skc_dport);
	st->daddr = destination(sk);
	return tell(ctx, sk, st, KIND_USED);
}

SEC(TRACEPOINT "sock_send_length")
int BPF_PROG(told_send, struct sock *sk, int ret, int flags)
{
	return use(ctx, sk);
}

SEC(TRACEPOINT "sock_recv_length")
int BPF_PROG(told_receive, struct sock *sk, int ret, int flags)
{
	return use(ctx, sk);
}

/*
 * Most changes happen in soft interrupts, where the running process is somebody else. A connect and a
 * listen are the process's own.
 */
SEC(TRACEPOINT "inet_sock_set_state")
int BPF_PROG(told_state, struct sock *sk, int from, int to)
{
	struct told_sock *st;

	if (from == TCP_CLOSE && (to == TCP_SYN_SENT || to == TCP_LISTEN)) {
		struct task_struct *leader = tell_who(ctx);

		if (!leader)
			return 0;
		to = *(const volatile __u64 *)&ctx[2]; /* anew: the verifier would look at all of that for each of the two */
		st = storage(sk);
		if (!st)
			return to == TCP_LISTEN ? tell_unkept(ctx, sk, KIND_LISTENS) : 0; /* tell_connect, and use, do without */
		set_owner(st, leader);
		if (to == TCP_SYN_SENT && has_sockops) { /* the port is chosen after this */
			st->lport = 0;
			st->uid = GET(sk, sk_uid.val);
			st->netns = netns(&sk->__sk_common);
			return 0;
		}
		st->lport = GET(sk, __sk_common.skc_num);
		st->dport = GET(sk, __sk_common.skc_dport);
		st->daddr = destination(sk);
		return tell(ctx, sk, st, to == TCP_LISTEN ? KIND_LISTENS : KIND_USED);
	}
	if (from == TCP_SYN_SENT) {
		st = STORAGE_OF(sk);
		if (st && st->tgid && !st->lport) { /* tell_connect did not, or is for other cgroups */
			st->lport = GET(sk, __sk_common.skc_num);
			tell(ctx, sk, st, KIND_USED);
		}
		return 0;
	}
#ifndef OLDER
	/* The release of the kernel's own sockets, and of those in other cgroups than ours, is not told. */
	if (to == TCP_CLOSE && GET(sk, __sk_common.skc_flags) & 1 << SOCK_DEAD) {
		__u64 cookie = GET(sk, __sk_common.skc_cookie.counter);

		st = slot_of(cookie);
		if (st && cookie && st->cookie == cookie)
			unclaim(st);
	}
#endif
	return 0;
}

#ifndef OLDER /* their helpers are too few before 5.12 */

/*
 * own_netns gives the namespace of a socket of which there is no more than its cookie. It is the
 * process's, unless that has gone to another one since.
 */
static __always_inline __u32 process_netns(void)
{
	return BPF_CORE_READ(running(), nsproxy, net_ns, ns.inum);
}

static __always_inline __u32 own_netns(void *ctx)
{
	struct net *net = BPF_CORE_READ(running(), nsproxy, net_ns);

	if (!bpf_core_field_exists(net->net_cookie) || BPF_CORE_READ(net, net_cookie) != bpf_get_netns_cookie(ctx))
		return 0;
	return BPF_CORE_READ(net, ns.inum);
}

#define COMMON_WORDS 20 /* struct sock_common is 17; what is behind is the socket's too */

/*
 * tell_closed tells of a socket that nothing was told of and whose last descriptor has gone, with what a copy of its
 * memory says of it. A server may accept and close and do nothing else.
 */
static __noinline int tell_closed(void *ctx, const __u64 *copy, __u64 cookie, __u16 proto, __u16 type)
{
	const struct sock_common *c = (const void *)copy;
	struct task_struct *leader = tell_who(ctx);
	struct told_sock by = {};
	struct sock_event e;

	if (!leader || !copy)
		return 0;
	set_owner(&by, leader);
	from_told(&e, &by, cookie, KIND_LATE);
	from_common(&e, c);
	e.uid = BPF_CORE_READ(running(), cred, fsuid.val);
	e.netns = netns(c);
	e.h.proto = is_tcp(proto) ? IPPROTO_TCP : proto;
	e.type = type;
	/* Its addresses are not all there when they were given back; others have been told, or are of no use. */
	if (!e.lport || e.h.proto != IPPROTO_TCP || e.state == TCP_LISTEN)
		e.h.kind = KIND_RELEASED;
	give(ctx, &e, sizeof(e));
	return 0;
}

/* A connecting socket has its port by now, and its SYN is not out yet. */
SEC("sockops")
int tell_connect(struct bpf_sock_ops *ctx)
{
	struct told_sock *st, unkept = {};
	struct bpf_sock *sk;
	struct sock_event e;
	__u64 cookie;

	if (ctx->op != BPF_SOCK_OPS_TCP_CONNECT_CB)
		return 1;
	sk = ctx->sk;
	if (!sk)
		return 1;
	cookie = bpf_get_socket_cookie(ctx);
	st = kept(sk, cookie);
	if (!st) { /* told_state has told the process */
		struct task_struct *leader = who();

		if (!leader)
			return 1;
		st = &unkept;
		set_owner(st, leader);
		st->uid = BPF_CORE_READ(running(), cred, fsuid.val);
		st->netns = process_netns();
	} else if (!st->tgid) {
		return 1;
	}
	from_told(&e, st, cookie, KIND_USED);
	e.h.proto = IPPROTO_TCP;
	e.family = ctx->family;
	e.type = 1;
	e.state = TCP_SYN_SENT;
	e.lport = ctx->local_port;
	e.rport = bpf_ntohl(ctx->remote_port);
	st->lport = e.lport;
	st->dport = bpf_htons(e.rport);
	if (ctx->family == AF_INET) {
		*(__u32 *)e.local = ctx->local_ip4;
		*(__u32 *)e.remote = ctx->remote_ip4;
		st->daddr = ctx->remote_ip4;
	} else {
		((__u32 *)e.local)[0] = ctx->local_ip6[0];
		((__u32 *)e.local)[1] = ctx->local_ip6[1];
		((__u32 *)e.local)[2] = ctx->local_ip6[2];
		((__u32 *)e.local)[3] = ctx->local_ip6[3];
		((__u32 *)e.remote)[0] = ctx->remote_ip6[0];
		((__u32 *)e.remote)[1] = ctx->remote_ip6[1];
		((__u32 *)e.remote)[2] = ctx->remote_ip6[2];
		st->daddr = ctx->remote_ip6[3];
		((__u32 *)e.remote)[3] = st->daddr;
	}
	if (give(ctx, &e, sizeof(e)))
		st->tgid = 0;
	return 1;
}

/*
 * peer tells the other end of a socket that is not connected, for sockets whose port alone does not
 * name them, and of which process it is, where several use the socket.
 */
static __always_inline int peer(struct bpf_sock_addr *ctx, const _Bool v6)
{
	struct bpf_sock *sk = ctx->sk;
	struct told_sock *st;
	struct sock_event e;
	__u32 tgid;
	__u64 cookie;

	if (!sk)
		return 1;
	cookie = bpf_get_socket_cookie(ctx);
	st = storage_made(sk, cookie);
	tgid = bpf_get_current_pid_tgid() >> 32;
	if (st && st->tgid && !st->shared && (st->dport || (st->tgid == tgid && !st->several)))
		return 1;

	struct other o = {.port = ctx->user_port, .family = v6 ? AF_INET6 : AF_INET};
	struct told_sock by = {};

	if (!st) {
		by.netns = own_netns(ctx);
	} else {
		if (!st->netns)
			st->netns = own_netns(ctx);
		by.uid = st->uid;
		by.netns = st->netns;
	}
	if (v6) {
		o.addr[0] = ctx->user_ip6[0];
		o.addr[1] = ctx->user_ip6[1];
		o.addr[2] = ctx->user_ip6[2];
		o.addr[3] = ctx->user_ip6[3];
	} else {
		o.addr[3] = ctx->user_ip4;
	}
	if (st && st->tgid && told_meeting(hashed(cookie, &o), tgid))
		return 1;
	/* told_send follows where it can, and tells the whole of it. */
	if (owner(ctx, &by))
		return 1;
	if (st) {
		if (st->tgid && st->tgid != by.tgid)
			st->several = 1;
		by.several = st->several;
	}
	from_told(&e, &by, cookie, KIND_PEER);
	e.h.proto = ctx->protocol;
	e.family = o.family;
	e.type = ctx->type;
	e.lport = sk->src_port;
	e.rport = bpf_ntohs(o.port);
	if (v6)
		__builtin_memcpy(e.remote, o.addr, sizeof(o.addr));
	else
		*(__be32 *)e.remote = o.addr[3];
	if (give(ctx, &e, sizeof(e))) {
		untold_meeting(hashed(cookie, &o));
		return 1;
	}
	if (st && !has_use) {
		st->tgid = by.tgid;
		st->pid = by.pid;
		st->start = by.start;
		st->exec_id = by.exec_id;
		st->shared = 1; /* not known here */
	}
	return 1;
}

SEC("cgroup/sendmsg4")
int tell_sendmsg4(struct bpf_sock_addr *ctx)
{
	return peer(ctx, 0);
}

SEC("cgroup/sendmsg6")
int tell_sendmsg6(struct bpf_sock_addr *ctx)
{
	return peer(ctx, 1);
}

SEC("cgroup/recvmsg4")
int tell_recvmsg4(struct bpf_sock_addr *ctx)
{
	return peer(ctx, 0);
}

SEC("cgroup/recvmsg6")
int tell_recvmsg6(struct bpf_sock_addr *ctx)
{
	return peer(ctx, 1);
}

/* What follows are programs on a struct bpf_sock, which the verifier lets tell different things. */
static __always_inline int begin(struct sock_event *e, struct bpf_sock *ctx, __u16 kind)
{
	struct told_sock by = {};

	if (owner(ctx, &by))
		return -1;
	from_told(e, &by, bpf_get_socket_cookie(ctx), kind);
	e->netns = own_netns(ctx);
	e->uid = bpf_get_current_uid_gid();
	e->h.proto = ctx->protocol;
	e->family = ctx->family;
	e->type = ctx->type;
	return 0;
}

/* A socket that a server waits on has an owner before the first packet is read. */
SEC("cgroup/post_bind4")
int tell_bind4(struct bpf_sock *ctx)
{
	struct sock_event e;

	if (is_tcp(ctx->protocol))
		return 1; /* told when it listens */
	if (begin(&e, ctx, KIND_BOUND))
		return 1;
	e.lport = ctx->src_port;
	*(__u32 *)e.local = ctx->src_ip4;
	give(ctx, &e, sizeof(e));
	return 1;
}

SEC("cgroup/post_bind6")
int tell_bind6(struct bpf_sock *ctx)
{
	struct sock_event e;

	if (is_tcp(ctx->protocol))
		return 1;
	if (begin(&e, ctx, KIND_BOUND))
		return 1;
	e.lport = ctx->src_port;
	((__u32 *)e.local)[0] = ctx->src_ip6[0];
	((__u32 *)e.local)[1] = ctx->src_ip6[1];
	((__u32 *)e.local)[2] = ctx->src_ip6[2];
	((__u32 *)e.local)[3] = ctx->src_ip6[3];
	give(ctx, &e, sizeof(e));
	return 1;
}

/* Only where use is not seen: a raw socket has no other hook then. */
SEC("cgroup/sock_create")
int tell_create(struct bpf_sock *ctx)
{
	struct sock_event e;

	if (!begin(&e, ctx, KIND_CREATED))
		give(ctx, &e, sizeof(e));
	return 1;
}

/* The last descriptor has gone, in the process that had it. */
SEC("cgroup/sock_release")
int tell_release(struct bpf_sock *ctx)
{
	__u64 cookie = bpf_get_socket_cookie(ctx);
	struct told_sock *st = kept(ctx, cookie);
	struct sock_event e;

	if (!st || !st->tgid) {
		__u64 copy[COMMON_WORDS];

		if (!bpf_probe_read_kernel(copy, sizeof(copy), ctx))
			tell_closed(ctx, copy, cookie, ctx->protocol, ctx->type);
	} else {
		from_told(&e, st, cookie, KIND_RELEASED);
		e.h.proto = ctx->protocol;
		give(ctx, &e, sizeof(e));
	}
	if (st)
		unclaim(st);
	return 1;
}

#endif /* OLDER */

/* Only where the release of sockets is not seen. Before 5.12 also to forget what is kept of it. */
SEC(TRACEPOINT "tcp_destroy_sock")
int BPF_PROG(told_destroy, struct sock *sk)
{
	struct told_sock none = {};
	struct sock_event e;
#ifdef OLDER
	struct told_sock *st = STORAGE_OF(sk);

	if (!st)
		return 0;
	none.cookie = st->cookie;
	storage_drop(sk);
	if (has_release)
		return 0;
#endif

	from_told(&e, &none, COOKIE(sk, &none), KIND_DESTROYED);
	e.h.proto = IPPROTO_TCP;
	give(ctx, &e, sizeof(e));
	return 0;
}

/* known tells whether user space has been told of the process. */
static __always_inline _Bool known(struct task_struct *leader, __u32 tgid)
{
	struct told_proc *told = bpf_map_lookup_elem(&procs, &tgid);

	return told && told->start == started(leader);
}

SEC(TRACEPOINT "sched_process_exec")
int BPF_PROG(told_exec, struct task_struct *p)
{
	if (known(BPF_CORE_READ(p, group_leader), GET(p, tgid)))
		tell_process(ctx);
	return 0;
}

static __always_inline void tell_task(void *ctx, struct task_struct *leader, __u16 kind, const char *comm)
{
	struct task_event e = {};

	e.h.kind = kind;
	e.h.start = started(leader);
	e.h.pid = number(leader);
	e.ts_ns = bpf_ktime_get_ns();
	if (comm)
		bpf_probe_read_kernel_str(e.comm, sizeof(e.comm), comm);
	give(ctx, &e, sizeof(e));
}

SEC(TRACEPOINT "task_rename")
int BPF_PROG(told_rename, struct task_struct *p, const char *comm)
{
	struct task_struct *leader = BPF_CORE_READ(p, group_leader);

	if (p == leader && known(leader, GET(p, tgid)))
		tell_task(ctx, leader, KIND_RENAMED, comm);
	return 0;
}

/* The process's sockets are closed after this. */
SEC(TRACEPOINT "sched_process_exit")
int BPF_PROG(told_exit, struct task_struct *p)
{
	struct task_struct *leader = BPF_CORE_READ(p, group_leader);

	if (BPF_CORE_READ(p, signal, live.counter) == 0 && known(leader, GET(p, tgid)))
		tell_task(ctx, leader, KIND_EXITED, NULL);
	return 0;
}

/* By whoever moves it: after it was told, as a login's session is. */
SEC(TRACEPOINT "cgroup_attach_task")
int BPF_PROG(told_move, struct cgroup *to, const char *path, struct task_struct *p)
{
	struct task_struct *leader = BPF_CORE_READ(p, group_leader);
	struct room *r;

	if (!known(leader, GET(p, tgid)))
		return 0;
	r = take_room();
	if (!r)
		return 0;
	__builtin_memset(&r->e, 0, sizeof(r->e));
	r->e.h.kind = KIND_MOVED;
	r->e.h.start = started(leader);
	r->e.h.pid = number(leader);
	r->e.ts_ns = bpf_ktime_get_ns();
	cgroup(r, 0, leader);
	tell_room(ctx, r, written(&r->e.cgroup_size, CGROUP_MAX + 256));
	leave(r);
	return 0;
}

/*
 * Only where somebody is followed. It is the parent that runs, and the child has not run yet, so nothing of
 * it is missed; a child that is left by its parents stays what it is.
 */
SEC(TRACEPOINT "sched_process_fork")
int BPF_PROG(told_fork, struct task_struct *parent, struct task_struct *child)
{
	struct task_struct *leader = BPF_CORE_READ(parent, group_leader);
	__u32 tgid = GET(child, tgid);
	__u64 start = started(child);

	if (tgid == GET(parent, tgid)) /* a thread */
		return 0;
	if (!is_followed(leader) && number(leader) != followed)
		return 0;
	if (bpf_map_update_elem(&family, &tgid, &start, BPF_ANY))
		__sync_fetch_and_add(&lost.storage, 1);
	return 0;
}

/*
 * A process is gone for good; at its exit, sockets are still closed. Of a few it is not told in some virtual machines. Its number may be another's by now. A thread that was the leader
 * before an exec is none.
 */
SEC(TRACEPOINT "sched_process_free")
int BPF_PROG(told_free, struct task_struct *p)
{
	__u32 tgid = GET(p, tgid);

	if (GET(p, pid) != tgid)
		return 0;
	if (followed && is_followed(p))
		bpf_map_delete_elem(&family, &tgid);
	if (known(p, tgid))
		bpf_map_delete_elem(&procs, &tgid);
	return 0;
}

/* Who has which socket now: read once, at the start. */
SEC("iter/task_file")
int find_sockets(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct task_struct *leader;
	struct sock_event e = {};
	struct told_sock *st __attribute__((unused));
	struct socket *s;
	struct sock *sk;
	__u16 family;

	if (!task || !file)
		return 0;
	s = SOCKET_OF(file);
	if (!s)
		return 0;
	sk = GET(s, sk);
	if (!sk)
		return 0;
	family = GET(sk, __sk_common.skc_family);
	if (family != AF_INET && family != AF_INET6)
		return 0;
#ifdef OLDER
	st = storage(sk);
	if (!st)
		return 0;
#endif
	leader = BPF_CORE_READ(task, group_leader);
	e.h.kind = KIND_FOUND;
	e.h.pid = number(leader);
	e.h.start = started(leader);
	e.cookie = COOKIE(sk, st);
	from_sock(&e, sk);
	bpf_seq_write(ctx->meta->seq, &e, sizeof(e));
	return 0;
}

#include "ladder.h"
