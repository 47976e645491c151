# SPDX-License-Identifier: BSD-3-Clause
# git: a large tree is added, committed, changed, packed, cloned and checked out.
. "${0%/*}/lib.sh"

dirs=$((EFFORT > 1 ? 400 : EFFORT ? 50 : 5))
files=20
export GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat GIT_CONFIG_COUNT=6
export GIT_CONFIG_KEY_0=gc.autoDetach GIT_CONFIG_VALUE_0=false
export GIT_CONFIG_KEY_1=user.name GIT_CONFIG_VALUE_1=me
export GIT_CONFIG_KEY_2=user.email GIT_CONFIG_VALUE_2=me@example.org
export GIT_CONFIG_KEY_3=init.defaultBranch GIT_CONFIG_VALUE_3=main
export GIT_CONFIG_KEY_4=advice.detachedHead GIT_CONFIG_VALUE_4=false
export GIT_CONFIG_KEY_5=protocol.file.allow GIT_CONFIG_VALUE_5=always
export GIT_AUTHOR_DATE="2001-02-03 04:05:06 +0000" GIT_COMMITTER_DATE="2001-02-03 04:05:06 +0000"

mkdir repo
cd repo
git init -q
python3 - $dirs $files <<'END'
import os, random, sys
dirs, files = map(int, sys.argv[1:])
rnd = random.Random(7)
for d in range(dirs):
    place = f"dir{d % 17}/sub{d}"
    os.makedirs(place)
    for f in range(files):
        with open(f"{place}/file{f}.txt", "w") as out:
            out.writelines(f"line {i} {rnd.getrandbits(64):x}\n" for i in range(rnd.randrange(60)))
    os.symlink(f"../sub{d}/file0.txt", f"{place}/link")
    os.chmod(f"{place}/file1.txt", 0o755)
with open("binary", "wb") as out:
    out.write(rnd.randbytes(3000000))
END
git add .
git commit -q -m first
git log --format='%H %s'
git status --short
sed -i 's/line 3/line three/' dir*/sub*/file*.txt
git mv dir1/sub1 moved
git rm -q -r -f dir2/sub2
echo new >dir3/new
git add dir3/new
git diff --stat | tail -n 1
git commit -q -a -m second
git tag -a -m 'a tag' v1
git checkout -q -b side HEAD~1
echo side >dir4/side
git add . && git commit -q -m side
git checkout -q main
git merge -q -m merged side
git log --format='%H %s' | sort
git gc -q --prune=now
git fsck --strict 2>&1
git count-objects -v | grep -E '^(count|packs|in-pack|garbage)'
git grep -c 'line three' -- 'moved/*'
cd ..
other git clone -q --no-hardlinks repo clone
git clone -q --bare "file://$DIR/repo" bare
(cd clone && git checkout -q v1~1 && git status --short && git rev-parse 'HEAD^{tree}' && git checkout -q main && git stash list)
(cd clone && echo more >>moved/file2.txt && git commit -qam third && git push -q "$DIR/bare" HEAD:main)
(cd repo && git pull -q --ff-only ../bare main && git worktree add -q ../tree HEAD~1 && git worktree list | wc -l)
git -C bare fsck 2>&1
git -C repo archive HEAD | tar -tf - | wc -l
diff -r -x .git repo clone && echo 'the same'
did $((dirs * (files + 1) + 1)) files
did 4 commits
rm -rf repo/.git clone/.git tree/.git bare
