# SPDX-License-Identifier: BSD-3-Clause
# Perl's library on the files of the working directory; prints what is the same everywhere.
use strict;
use warnings;
use Fcntl qw(:DEFAULT :flock :seek :mode);
use File::Basename;
use File::Compare;
use File::Copy qw(copy move cp);
use File::Find;
use File::Path qw(make_path remove_tree);
use File::Spec;
use File::stat ();
use File::Temp qw(tempfile tempdir);
use IO::File;
use IO::Handle;
use IO::Select;
use Cwd qw(getcwd abs_path);
use Digest::SHA;
use DirHandle;
use IPC::Open3;
use POSIX ();
use SDBM_File;
use Storable qw(nstore retrieve lock_store lock_retrieve);
use Sys::Hostname;

$| = 1;

sub test_streams {
	open(my $out, '>', 'text') or die "open: $!";
	print $out "line $_\n" for 1 .. 20000;
	close($out) or die;
	open(my $in, '+<', 'text') or die;
	my $n = () = <$in>;
	seek($in, 5, SEEK_SET);
	read($in, my $part, 7);
	print "$n ", tell($in), " $part\n";
	close($in);
	open(my $add, '>>', 'text') or die;
	print $add "the end\n";
	$add->flush;
	print -s 'text', "\n";
	open(my $utf, '>:encoding(UTF-8)', 'utf8') or die;
	print $utf "\x{263a}\n" x 1000;
	close($utf);
	print -s 'utf8', "\n";
}

sub test_sysopen {
	sysopen(my $fh, 'sys', O_RDWR | O_CREAT | O_EXCL, 0600) or die;
	syswrite($fh, 'x' x 10000);
	sysseek($fh, 100, SEEK_SET);
	sysread($fh, my $buf, 50);
	truncate($fh, 5000);
	print length($buf), ' ', -s $fh, "\n";
	print defined(sysopen(my $no, 'sys', O_RDWR | O_CREAT | O_EXCL)) ? 'made' : $!{EEXIST} ? 'there' : "$!", "\n";
	printf "%04o\n", (stat $fh)[2] & 07777;
}

sub test_flock {
	open(my $fh, '>', 'lock') or die;
	flock($fh, LOCK_EX) or die;
	my $pid = fork;
	if (!$pid) {
		open(my $mine, '+<', 'lock') or POSIX::_exit(9);
		POSIX::_exit(flock($mine, LOCK_EX | LOCK_NB) ? 0 : 3);
	}
	waitpid($pid, 0);
	print $? >> 8, "\n";
}

sub test_directories {
	make_path('a/b/c', 'a/d', { mode => 0750 });
	for my $i (1 .. 300) {
		open(my $fh, '>', "a/d/file$i") or die;
		print $fh $i;
	}
	opendir(my $dh, 'a/d') or die;
	my @names = sort grep { !/^\./ } readdir $dh;
	rewinddir $dh;
	my $again = () = readdir $dh;
	print scalar(@names), " $again $names[7]\n";
	closedir $dh;
	my ($files, $bytes) = (0, 0);
	find({ wanted => sub { if (-f) { $files++; $bytes += -s _ } }, no_chdir => 0 }, 'a');
	print "$files $bytes\n";
	print scalar(my @glob = glob('a/d/file?')), "\n";
	chdir 'a/d' or die;
	print basename(getcwd()), ' ', basename(abs_path('..')), "\n";
	chdir '../..' or die;
	remove_tree('a/d');
	print -d 'a/d' ? 'there' : 'gone', "\n";
}

sub test_copy {
	copy('text', 'text2') or die;
	print compare('text', 'text2'), "\n";
	move('text2', 'a/moved') or die;
	cp('a/moved', 'text3') or die;
	symlink('text3', 'soft') or die;
	link('text3', 'hard') or die;
	print readlink('soft'), ' ', (stat 'hard')[3], ' ', (-l 'soft' ? 1 : 0), "\n";
	print unlink('hard', 'soft', 'nothere'), "\n";
}

sub test_temp {
	my ($fh, $name) = tempfile('tXXXXX', DIR => '.', UNLINK => 1);
	print $fh 'temporary';
	close $fh;
	print -s $name, "\n";
	my $dir = tempdir('dXXXXX', DIR => '.', CLEANUP => 1);
	open(my $in, '>', "$dir/in") or die;
	open(my $anon, '+>', undef) or die;
	print $anon 'anonymous';
	seek $anon, 0, 0;
	print <$anon>, "\n";
}

sub test_processes {
	open(my $out, '>', 'from-child') or die;
	my $pid = open3('<&STDIN', '>&' . $out->fileno, undef, 'sh', '-c', 'echo child; echo more');
	waitpid $pid, 0;
	open(my $pipe, '-|', 'cat from-child') or die;
	print <$pipe>;
	open(my $dup, '>&', $out) or die;
	print $dup "by the parent\n";
	close $dup;
	print `wc -l < from-child`;
	system("cat from-child >copied; test -s copied") == 0 or die;
	open(my $saved, '>&', \*STDOUT) or die;
	open(STDOUT, '>', 'stdout') or die;
	print "redirected\n";
	system('echo also');
	open(STDOUT, '>&', $saved) or die;
	open(my $in, '<', 'stdout') or die;
	print <$in>;
}

sub test_append {
	my @pids;
	for my $w (1 .. 4) {
		my $pid = fork;
		if (!$pid) {
			open(my $fh, '>>', 'appended') or POSIX::_exit(1);
			$fh->autoflush(1);
			print $fh "$w $_\n" for 1 .. 100;
			close $fh;
			POSIX::_exit(0);
		}
		push @pids, $pid;
	}
	waitpid $_, 0 for @pids;
	open(my $fh, '<', 'appended') or die;
	my %seen = map { $_ => 1 } <$fh>;
	print scalar(keys %seen), "\n";
	unlink 'appended';
}

sub test_storage {
	nstore({ list => [1 .. 1000] }, 'stored') or die;
	print scalar @{ retrieve('stored')->{list} }, "\n";
	lock_store([7], 'locked') or die;
	print lock_retrieve('locked')->[0], "\n";
	tie(my %db, 'SDBM_File', 'sdbm', O_RDWR | O_CREAT, 0644) or die;
	$db{$_} = "value $_" for 1 .. 500;
	untie %db;
	tie(%db, 'SDBM_File', 'sdbm', O_RDONLY, 0644) or die;
	print scalar(keys %db), " $db{77}\n";
	print Digest::SHA->new(256)->addfile('text')->hexdigest, "\n";
}

for my $name (qw(streams sysopen flock directories copy temp processes append storage)) {
	print "$name\n";
	no strict 'refs';
	&{"test_$name"}();
}
