# SPDX-License-Identifier: BSD-3-Clause
# make and gcc: some sources of this project, compiled without optimisation.
. "${0%/*}/lib.sh"

case $1 in
prepare)
	mkdir source
	tar -C "$SOURCE" -cf - core port/user | tar -C source -xf -
	cat >source/core/Makefile <<'END'
OBJECTS := $(patsubst %.c,%.o,$(wildcard [a-f]*.c))
libcore.a: $(OBJECTS)
	$(AR) rcD $@ $(sort $^)
%.o: %.c $(wildcard *.h)
	$(CC) -std=c11 -D_GNU_SOURCE -O0 -I. -I../port/user -c -o $@ $<
END
	;;
make)
	make -s -C source/core CC=gcc
	done_of "$(ls source/core/*.o | wc -l)" objects
	;;
nothing)
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		make -q -C source/core CC=gcc
	done
	done_of 10 calls
	;;
clear) rm -f source/core/*.[oa] ;;
esac
