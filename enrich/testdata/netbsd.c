#include <sys/param.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/sysctl.h>
#include <sys/proc.h>
#undef offsetof
#define offsetof(field) __builtin_offsetof(struct kinfo_proc2, field)
#define size(field) sizeof(((struct kinfo_proc2 *)0)->field)
_Static_assert(sizeof(struct kinfo_proc2) >= 464, "");
_Static_assert(offsetof(p_pid) == 116, "");
_Static_assert(offsetof(p_ppid) == 120, "");
_Static_assert(offsetof(p_uid) == 136, "");
_Static_assert(offsetof(p_comm) == 368, "");
_Static_assert(size(p_comm) == 24, "");
_Static_assert(offsetof(p_ustart_sec) == 456, "");
_Static_assert(size(p_ustart_sec) == 4, "");
_Static_assert(offsetof(p_ustart_usec) == 460, "");
_Static_assert(size(p_ustart_usec) == 4, "");
_Static_assert(KERN_PROC_ALL == 0, "");
_Static_assert(KERN_PROC_ARGV == 1, "");
_Static_assert(KERN_PROC_PATHNAME == 5, "");
_Static_assert(KERN_PROC_PID == 1, "");
