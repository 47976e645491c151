// SPDX-License-Identifier: BSD-3-Clause
/* test_preload.c - stands for libumfs.so in test_umfs. */
int umfs_test_preload(void);

int umfs_test_preload(void)
{
	return 0;
}
