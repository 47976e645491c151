# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# lib.sh - what the measured programs share; sourced by each script beside it.
#
#   SCRIPT STEP
#
# bench/apps starts a script anew for each step, with the environment of a side:
#   DIR    the directory to work in: on tmpfs, on ext4, in a pool
#   WORK   a private directory of the kernel's, the same one for all steps of a side
#   PARTS  of calls that wait for a disk only one in so many is made
#   SOURCE the top of this project
# "prepare" comes first and is not measured, nor is "clear" after each round. What is
# between begin and finish is the step's time on the clock, else all of it; CPU time is
# that of the script and of all that it started. A script says how many of what it did.
. "$SOURCE/tests/programs/lib.sh"

begin() {
	echo "begin $EPOCHREALTIME" >>"$WORK/marks"
}
finish() {
	echo "finish $EPOCHREALTIME" >>"$WORK/marks"
}

# done_of N WHAT: a step's time is divided by N.
done_of() {
	echo "count $*" >>"$WORK/marks"
}

# a_tree DIRECTORY N: so many text files of 0 to 16 KiB, a hundred in each directory.
a_tree() {
	python3 - "$1" "$2" <<'END'
import os, random, sys
top, count = sys.argv[1], int(sys.argv[2])
rnd = random.Random(7)
text = "".join(f"line {i} of {rnd.getrandbits(64):x}\n" for i in range(700))
for n in range(count):
    place = f"{top}/dir{n // 100}"
    os.makedirs(place, exist_ok=True)
    with open(f"{place}/file{n % 100}.txt", "w") as out:
        out.write(f"file {n}\n" + text[:rnd.randrange(16384)])
END
}

# No variable of the side's: for what is prepared outside of it.
plain() {
	env -u LD_PRELOAD -u LIBUMFS_MOUNT -u LIBUMFS_MODE "$@"
}
