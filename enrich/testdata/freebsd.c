#include <sys/param.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/sysctl.h>
#include <sys/proc.h>
#include <sys/user.h>
#undef offsetof
#define offsetof(field) __builtin_offsetof(struct kinfo_proc, field)
#define size(field) sizeof(((struct kinfo_proc *)0)->field)
_Static_assert(sizeof(struct kinfo_proc) == 1088, "");
_Static_assert(offsetof(ki_structsize) == 0, "");
_Static_assert(offsetof(ki_pid) == 72, "");
_Static_assert(offsetof(ki_ppid) == 76, "");
_Static_assert(offsetof(ki_uid) == 168, "");
_Static_assert(offsetof(ki_comm) == 447, "");
_Static_assert(size(ki_comm) == 20, "");
_Static_assert(offsetof(ki_start.tv_sec) == 336, "");
_Static_assert(size(ki_start.tv_sec) == 8, "");
_Static_assert(offsetof(ki_start.tv_usec) == 344, "");
_Static_assert(size(ki_start.tv_usec) == 8, "");
