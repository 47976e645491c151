// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - the module comes and goes.
 *
 * It can be removed when no pool is attached: an attached pool's superblock holds it.
 */
#include <linux/module.h>

#include "splice.h"

static int __init umfs_init(void)
{
	int err;

	if (!umfs_kport_usable()) {
		pr_err("umfs: this processor has no CRC32 instruction\n");
		return -ENODEV;
	}
	umfs_kport_waits_init();
	umfs_splice_init();
	err = umfs_files_init();
	if (err)
		return err;
	err = umfs_tables_init();
	if (err)
		goto err_files;
	umfs_inodes_init();
	err = umfs_mounts_init();
	if (err)
		goto err_tables;
	err = umfs_control_init();
	if (err)
		goto err_mounts;
	return 0;

err_mounts:
	umfs_mounts_exit();
err_tables:
	umfs_tables_exit();
err_files:
	umfs_files_exit();
	return err;
}

static void __exit umfs_exit(void)
{
	umfs_control_exit();
	umfs_mounts_exit();
	umfs_inodes_exit();
	umfs_tables_exit();
	umfs_files_exit();
}

module_init(umfs_init);
module_exit(umfs_exit);

MODULE_ALIAS_FS("umfs");
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("UMFS: pools of byte-addressable memory as file systems");
MODULE_VERSION("0.1.0");
