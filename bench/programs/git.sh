# SPDX-License-Identifier: BSD-3-Clause
# git: clone within the side, status, and checkout of a commit that differs in half the files.
. "${0%/*}/lib.sh"

files=2000
export GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat GIT_CONFIG_COUNT=4
export GIT_CONFIG_KEY_0=gc.auto GIT_CONFIG_VALUE_0=0
export GIT_CONFIG_KEY_1=user.name GIT_CONFIG_VALUE_1=me
export GIT_CONFIG_KEY_2=user.email GIT_CONFIG_VALUE_2=me@example.org
export GIT_CONFIG_KEY_3=advice.detachedHead GIT_CONFIG_VALUE_3=false

# A file as old as the index, to the second, may have changed after it, and git reads it each time.
settle() {
	find repo -path repo/.git -prune -o -type f -exec touch -d '1 minute ago' {} +
	git -C repo status --short
}

case $1 in
prepare)
	mkdir repo
	cd repo
	git init -q -b main
	a_tree . $files
	git add . && git commit -q -m first
	sed -i 's/^file /the file /' dir?/*
	git commit -q -a -m second
	git repack -q -a -d
	cd ..
	settle
	;;
clone)
	git clone -q --no-hardlinks repo clone
	done_of $files files
	;;
status)
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		[ -z "$(git -C repo status --short)" ] || fail "the tree is changed"
	done
	done_of 10 calls
	;;
checkout)
	for _ in 1 2; do
		git -C repo checkout -q main~1
		git -C repo checkout -q main
	done
	done_of 4 calls
	;;
clear)
	rm -rf clone
	settle
	;;
esac
