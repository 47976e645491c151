// SPDX-License-Identifier: BSD-3-Clause
/* ops_xattr.c - extended attributes. Access control lists are kept and not enforced. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "mount.h"

static void reply(fuse_req_t req, int64_t n, size_t size, const void *value)
{
	if (n < 0)
		fuse_reply_err(req, (int)-n);
	else if (!size)
		fuse_reply_xattr(req, (size_t)n);
	else
		fuse_reply_buf(req, value, (size_t)n);
}

/* See UMFS_XATTR_POOL. */
static void reply_uuid(fuse_req_t req, size_t size)
{
	const struct umfs_super_pm *sb = (const void *)(fuse_fs()->base +
							UMFS_SB_PAGE * UMFS_PAGE_BYTES);

	reply(req, size && size < sizeof(sb->uuid) ? -ERANGE : (int64_t)sizeof(sb->uuid), size,
	      sb->uuid);
}

static void op_getxattr(fuse_req_t req, fuse_ino_t id, const char *name, size_t size)
{
	struct umfs_cred cred = request_cred(req);
	char *value;
	int64_t n = -ENOMEM;

	if (id == FUSE_ROOT_ID && !strcmp(name, UMFS_XATTR_POOL)) {
		reply_uuid(req, size);
		return;
	}
	value = size ? malloc(size) : NULL;
	if (value || !size)
		n = umfs_getxattr(fuse_fs(), &cred, node_of(id), name, (uint32_t)strlen(name),
				  value, size);
	reply(req, n, size, value);
	free(value);
}

/* The kernel leaves it to us to keep "trusted." from those who may not see it. */
static void op_listxattr(fuse_req_t req, fuse_ino_t id, size_t size)
{
	struct umfs_cred cred = request_cred(req);
	char *list = size ? malloc(size) : NULL;
	int64_t n = -ENOMEM;

	cred.override = !cred.uid;
	if (list || !size)
		n = umfs_listxattr(fuse_fs(), &cred, node_of(id), list, size);
	reply(req, n, size, list);
	free(list);
}

static void op_setxattr(fuse_req_t req, fuse_ino_t id, const char *name, const char *value,
			size_t size, int flags)
{
	struct umfs_cred cred = request_cred(req);
	uint32_t how = (flags & XATTR_CREATE ? UMFS_XATTR_CREATE : 0) |
		       (flags & XATTR_REPLACE ? UMFS_XATTR_REPLACE : 0);

	fuse_reply_err(req, -umfs_setxattr(fuse_fs(), &cred, node_of(id), name,
					   (uint32_t)strlen(name), value, size, how));
}

static void op_removexattr(fuse_req_t req, fuse_ino_t id, const char *name)
{
	struct umfs_cred cred = request_cred(req);

	fuse_reply_err(req, -umfs_removexattr(fuse_fs(), &cred, node_of(id), name,
					      (uint32_t)strlen(name)));
}

void ops_xattr_add(struct fuse_lowlevel_ops *ops)
{
	ops->getxattr = op_getxattr;
	ops->listxattr = op_listxattr;
	ops->setxattr = op_setxattr;
	ops->removexattr = op_removexattr;
}
