#include <sys/param.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/sysctl.h>
#include <sys/proc.h>
#undef offsetof
#define offsetof(field) __builtin_offsetof(struct kinfo_proc, field)
#define size(field) sizeof(((struct kinfo_proc *)0)->field)
_Static_assert(sizeof(struct kinfo_proc) >= 424, "");
_Static_assert(offsetof(p_pid) == 108, "");
_Static_assert(offsetof(p_ppid) == 112, "");
_Static_assert(offsetof(p_uid) == 128, "");
_Static_assert(offsetof(p_comm) == 312, "");
_Static_assert(size(p_comm) == 24, "");
_Static_assert(offsetof(p_ustart_sec) == 408, "");
_Static_assert(size(p_ustart_sec) == 8, "");
_Static_assert(offsetof(p_ustart_usec) == 416, "");
_Static_assert(size(p_ustart_usec) == 4, "");
_Static_assert(CTL_KERN == 1, "");
_Static_assert(KERN_PROC_ALL == 0, "");
_Static_assert(KERN_PROC_ARGS == 55, "");
_Static_assert(KERN_PROC_ARGV == 1, "");
_Static_assert(KERN_PROC_PID == 1, "");
