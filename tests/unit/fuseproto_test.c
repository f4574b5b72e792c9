// SPDX-License-Identifier: Apache-2.0
/*
 * fuseproto_test.c - requests of the kernel and their answers, before and after the death
 * of a process
 *
 * A socket pair stands for /dev/fuse: the test is the kernel.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "face/fuseproto.h"
#include "store/store_mem.h"
#include "tests/fakes/store_fault.h"

#define BLOCK 4096u
#define CHUNK (16 * BLOCK)
#define N_BLOCKS 64u
#define THREADS 4u
#define READS 64u
#define WRITE_MAX (4 * BLOCK)

/* What a serving process has; another one gets a new one of it on the same memory. */
struct process {
	struct chunkmap *cm;
	struct underway underway;
	struct fuseproto proto;
};

static struct store *store;
static void *map_memory, *underway_memory;
static int kernel_fd, dev_fd;
static struct process p;

static void no_wake(void *ctx _unused_)
{
}

static int process_init(struct process *ret, bool read_only)
{
	struct readpath_config config = {
		.store = store,
		.n_waiting_max = READS,
		.n_threads = THREADS,
		.reply = fuseproto_reply_read,
	};

	if (chunkmap_new_in(map_memory, (uint64_t)N_BLOCKS * BLOCK, CHUNK, no_wake, NULL,
			    &ret->cm) < 0)
		return -1;
	config.cm = ret->cm;
	underway_init(&ret->underway, underway_memory, THREADS, READS, WRITE_MAX);
	ret->proto = (struct fuseproto){
		.n_bytes = (uint64_t)N_BLOCKS * BLOCK,
		.read_only = read_only,
		.background_max = 100,
		.underway = &ret->underway,
	};
	if (readpath_new(&config, &ret->proto.rp) < 0 ||
	    writepath_new(ret->cm, store, ret->proto.rp, THREADS, &ret->proto.wp) < 0)
		return -1;
	if (fuseproto_init(&ret->proto) < 0)
		return -1;
	return fuseproto_open(&ret->proto, dup(dev_fd));
}

static size_t map_bytes(void)
{
	return chunkmap_memory_bytes((uint64_t)N_BLOCKS * BLOCK, CHUNK);
}

static size_t underway_memory_bytes(void)
{
	return underway_bytes(THREADS, READS, WRITE_MAX);
}

/*
 * Memory of the process goes; what outlives it stays as it was.  Requests that wait are
 * given back to libfuse, which frees them only with an answer: it goes nowhere, and
 * leaves no trace in what stays.
 */
static void process_fini(struct process *old)
{
	static uint8_t map_then[1 << 16], underway_then[1 << 20];
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

	assert_in_range(map_bytes(), 1, sizeof map_then);
	assert_in_range(underway_memory_bytes(), 1, sizeof underway_then);
	memcpy(map_then, map_memory, map_bytes());
	memcpy(underway_then, underway_memory, underway_memory_bytes());
	assert_int_equal(dup2(nowhere, old->proto.dev_fd), old->proto.dev_fd);
	close(nowhere);
	readpath_fail_all(old->proto.rp, -EIO);

	fuseproto_fini(&old->proto);
	writepath_free(old->proto.wp);
	readpath_free(old->proto.rp);
	chunkmap_free(old->cm);
	underway_fini(&old->underway);
	memcpy(map_memory, map_then, map_bytes());
	memcpy(underway_memory, underway_then, underway_memory_bytes());
}

static void *shared(size_t n_bytes)
{
	void *m = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);

	return m == MAP_FAILED ? NULL : m;
}

static int shake_hands(void);

static int setup(void **state _unused_)
{
	int pair[2];

	if (store_mem_new((uint64_t)N_BLOCKS * BLOCK, 0, &store) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0)
		return -1;
	store = store_fault_new(store);
	kernel_fd = pair[0];
	dev_fd = pair[1];
	map_memory = shared(map_bytes());
	underway_memory = shared(underway_memory_bytes());
	return process_init(&p, false) < 0 ? -1 : shake_hands();
}

static int teardown(void **state _unused_)
{
	process_fini(&p);
	store_free(store);
	close(kernel_fd);
	close(dev_fd);
	munmap(map_memory, map_bytes());
	munmap(underway_memory, underway_memory_bytes());
	return 0;
}

/* -- the kernel --------------------------------------------------------------------------- */

static uint64_t last_unique;

struct request {
	struct fuse_in_header in;
	uint8_t body[sizeof(struct fuse_write_in) + WRITE_MAX];
};

static size_t request_init(struct request *r, uint32_t opcode, const void *arg,
			   size_t arg_bytes, const void *data, size_t data_bytes)
{
	r->in = (struct fuse_in_header){
		.len = (uint32_t)(sizeof r->in + arg_bytes + data_bytes),
		.opcode = opcode,
		.unique = last_unique += 2,
		.nodeid = opcode == FUSE_LOOKUP ? FUSE_ROOT_ID : 2,
	};
	memcpy(r->body, arg, arg_bytes);
	memcpy(r->body + arg_bytes, data, data_bytes);
	return r->in.len;
}

/* As the kernel does: into the mailbox. */
static uint64_t put(struct process *to, unsigned thread, uint32_t opcode, const void *arg,
		    size_t arg_bytes)
{
	static struct request r;
	size_t n = request_init(&r, opcode, arg, arg_bytes, "", 0);

	memcpy(underway_mailbox(&to->underway, thread), &r, n);
	return r.in.unique;
}

static uint64_t put_write(struct process *to, unsigned thread, uint64_t block,
			  uint8_t byte)
{
	struct fuse_write_in arg = {.offset = block * BLOCK, .size = BLOCK};
	static struct request r;
	uint8_t data[BLOCK];
	size_t n;

	memset(data, byte, sizeof data);
	n = request_init(&r, FUSE_WRITE, &arg, sizeof arg, data, sizeof data);
	memcpy(underway_mailbox(&to->underway, thread), &r, n);
	return r.in.unique;
}

struct reply {
	struct fuse_out_header out;
	uint8_t body[WRITE_MAX];
};

static bool get_reply(struct reply *ret)
{
	return recv(kernel_fd, ret, sizeof *ret, MSG_DONTWAIT) > 0;
}

/* Nothing else is heard before it. */
#define INIT_FLAGS (FUSE_ASYNC_READ | FUSE_MAX_PAGES | FUSE_BIG_WRITES)
static uint64_t init_unique;
static struct reply init_reply;

static int shake_hands(void)
{
	struct fuse_init_in arg = {.major = 7, .minor = 36, .flags = INIT_FLAGS};

	init_unique = put(&p, 0, FUSE_INIT, &arg, sizeof arg);
	fuseproto_handle(&p.proto, 0);
	underway_empty(&p.underway, 0);
	return get_reply(&init_reply) && init_reply.out.unique == init_unique &&
			       init_reply.out.error == 0
		       ? 0
		       : -1;
}

/* The answer to `unique`, and no other. */
static const void *expect_reply(uint64_t unique, int err, size_t n_bytes)
{
	static struct reply r;

	assert_true(get_reply(&r));
	assert_int_equal(r.out.unique, unique);
	assert_int_equal(r.out.error, err);
	assert_int_equal(r.out.len, sizeof r.out + n_bytes);
	return r.body;
}

static void expect_no_reply(void)
{
	struct reply r;

	assert_false(get_reply(&r));
}

static void handle(unsigned thread)
{
	fuseproto_handle(&p.proto, thread);
	underway_empty(&p.underway, thread);
}

static void expect_stored(uint64_t block, uint8_t byte)
{
	static uint8_t buf[BLOCK] __attribute__((aligned(4096)));
	struct store_io io = {.slot_off = block * BLOCK, .buf = buf, .n_bytes = BLOCK};

	assert_int_equal(store_read(store, &io, 1), 0);
	assert_int_equal(buf[0], byte);
	assert_int_equal(buf[BLOCK - 1], byte);
}

static unsigned n_stored(void)
{
	struct store_fault_counts counts;

	store_fault_counts(store, &counts);
	return counts.n_writes + counts.n_discards;
}

/* The process is killed now, another one takes over: how many requests it finds. */
static unsigned die_and_replay(void)
{
	struct process old = p;
	struct reply r;
	unsigned n;

	process_fini(&old);
	assert_int_equal(process_init(&p, false), 0);
	n = fuseproto_replay(&p.proto);
	/* The kernel would refuse it: it has had an answer. */
	assert_true(get_reply(&r));
	assert_int_equal(r.out.unique, init_unique);
	return n;
}

/* -- plain requests ----------------------------------------------------------------------- */

static void init_takes_what_is_offered(void **state _unused_)
{
	struct fuse_init_out out;

	memcpy(&out, init_reply.body, sizeof out);
	assert_int_equal(out.major, 7);
	assert_int_equal(out.flags & ~INIT_FLAGS, 0);
	assert_true(out.flags & FUSE_ASYNC_READ && out.flags & FUSE_MAX_PAGES);
	assert_int_equal(out.max_write, READ_BYTES_MAX);
	assert_int_equal(out.max_pages, READ_BYTES_MAX / 4096);
	assert_int_equal(out.max_background, 100);
}

static void one_file(void **state _unused_)
{
	struct fuse_getattr_in getattr = {0};
	struct fuse_entry_out entry;
	struct fuse_attr_out attr;
	struct fuse_statfs_out statfs;
	struct fuse_open_in how = {.flags = O_RDWR};
	uint64_t unique = put(&p, 1, FUSE_LOOKUP, "image", 6);

	handle(1);
	memcpy(&entry, expect_reply(unique, 0, sizeof entry), sizeof entry);
	assert_int_equal(entry.nodeid, 2);
	assert_int_equal(entry.attr.size, N_BLOCKS * BLOCK);
	unique = put(&p, 1, FUSE_LOOKUP, "imagf", 6);
	handle(1);
	(void)expect_reply(unique, -ENOENT, 0);
	unique = put(&p, 1, FUSE_GETATTR, &getattr, sizeof getattr);
	handle(1);
	memcpy(&attr, expect_reply(unique, 0, sizeof attr), sizeof attr);
	assert_int_equal(attr.attr.mode, S_IFREG | 0600);
	unique = put(&p, 1, FUSE_OPEN, &how, sizeof how);
	handle(1);
	(void)expect_reply(unique, 0, sizeof(struct fuse_open_out));
	unique = put(&p, 1, FUSE_STATFS, "", 0);
	handle(1);
	memcpy(&statfs, expect_reply(unique, 0, sizeof statfs), sizeof statfs);
	assert_int_equal(statfs.st.bsize, 4096);
}

static void what_there_is_not(void **state _unused_)
{
	static const uint32_t missing[] = {FUSE_FSYNC, FUSE_FLUSH, FUSE_SETATTR, 4095};
	static const uint8_t body[128];

	for (unsigned i = 0; i < ARRAY_SIZE(missing); i++) {
		uint64_t unique = put(&p, 0, missing[i], body, sizeof body);

		handle(0);
		(void)expect_reply(unique, -ENOSYS, 0);
	}
	put(&p, 0, FUSE_FORGET, "12345678", 8);
	handle(0);
	put(&p, 0, FUSE_BATCH_FORGET, body, sizeof body);
	handle(0);
	expect_no_reply();
}

static void bad_ranges(void **state _unused_)
{
	struct fuse_write_in past = {.offset = N_BLOCKS * BLOCK, .size = BLOCK};
	struct fuse_write_in lies = {.offset = 0, .size = BLOCK};
	struct fuse_fallocate_in grow = {.length = BLOCK, .mode = 0};
	struct fuse_read_in end = {.offset = N_BLOCKS * BLOCK, .size = BLOCK};
	uint8_t body[sizeof past + BLOCK] = {0};
	uint64_t unique;

	memcpy(body, &past, sizeof past);
	unique = put(&p, 0, FUSE_WRITE, body, sizeof body);
	handle(0);
	(void)expect_reply(unique, -ENOSPC, 0);
	unique = put(&p, 0, FUSE_WRITE, &lies, sizeof lies);
	handle(0);
	(void)expect_reply(unique, -ENOSYS, 0);
	unique = put(&p, 0, FUSE_FALLOCATE, &grow, sizeof grow);
	handle(0);
	(void)expect_reply(unique, -EOPNOTSUPP, 0);
	unique = put(&p, 0, FUSE_READ, &end, sizeof end);
	handle(0);
	(void)expect_reply(unique, 0, 0);
	assert_int_equal(n_stored(), 0);
}

/* What read(2) fails with is not the end, unless the kernel says so. */
static void failed_receive_is_not_the_end(void **state _unused_)
{
	struct fuse_write_in arg = {.offset = BLOCK, .size = BLOCK};
	static struct request r;
	static const uint8_t data[BLOCK];
	const size_t n = request_init(&r, FUSE_WRITE, &arg, sizeof arg, data, BLOCK);
	const int folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(dup2(folder, p.proto.dev_fd), p.proto.dev_fd);
	close(folder);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(fuseproto_receive(&p.proto, 1));
		assert_true(underway_is_empty(&p.underway, 1));
	}
	assert_int_equal(dup2(dev_fd, p.proto.dev_fd), p.proto.dev_fd);
	assert_int_equal(send(kernel_fd, &r, n, 0), n);
	assert_true(fuseproto_receive(&p.proto, 1));
	assert_false(underway_is_empty(&p.underway, 1));
	handle(1);
	(void)expect_reply(r.in.unique, 0, sizeof(struct fuse_write_out));
}

static void read_only_stays_as_it_is(void **state _unused_)
{
	struct fuse_fallocate_in arg = {
		.length = BLOCK, .mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE};
	struct fuse_open_in how = {.flags = O_RDWR};
	uint64_t unique;

	p.proto.read_only = true;
	unique = put(&p, 0, FUSE_OPEN, &how, sizeof how);
	handle(0);
	(void)expect_reply(unique, -EROFS, 0);
	unique = put_write(&p, 0, 1, 7);
	handle(0);
	(void)expect_reply(unique, -EROFS, 0);
	unique = put(&p, 0, FUSE_FALLOCATE, &arg, sizeof arg);
	handle(0);
	(void)expect_reply(unique, -EROFS, 0);
	assert_int_equal(n_stored(), 0);
}

/* -- deaths ------------------------------------------------------------------------------- */

static void nothing_is_left_after_an_answer(void **state _unused_)
{
	uint64_t unique = put_write(&p, 2, 5, 0x11);

	handle(2);
	(void)expect_reply(unique, 0, sizeof(struct fuse_write_out));
	expect_stored(5, 0x11);
	assert_int_equal(die_and_replay(), 0);
	expect_no_reply();
}

static void died_before_it_was_done(void **state _unused_)
{
	struct fuse_fallocate_in arg = {.offset = 8 * BLOCK,
					.length = BLOCK,
					.mode = FALLOC_FL_ZERO_RANGE |
						FALLOC_FL_KEEP_SIZE};
	uint64_t write = put_write(&p, 0, 7, 0x22);
	uint64_t zero = put(&p, 3, FUSE_FALLOCATE, &arg, sizeof arg);

	assert_int_equal(die_and_replay(), 2);
	(void)expect_reply(write, 0, sizeof(struct fuse_write_out));
	(void)expect_reply(zero, 0, 0);
	expect_stored(7, 0x22);
	assert_true(chunkmap_is_valid(p.cm, 7 * BLOCK, 2 * BLOCK));
	assert_int_equal(n_stored(), 2);
	assert_int_equal(die_and_replay(), 0);
}

/* It was answered, or nearly; then the block was written again, and that was answered. */
static void done_is_not_done_again(void **state _unused_)
{
	struct fuse_write_out out;
	uint64_t old = put_write(&p, 0, 9, 0x33), new;

	fuseproto_handle(&p.proto, 0); /* and killed before the mailbox is emptied */
	(void)expect_reply(old, 0, sizeof out);
	new = put_write(&p, 1, 9, 0x44);
	handle(1);
	(void)expect_reply(new, 0, sizeof out);
	assert_int_equal(die_and_replay(), 1);
	memcpy(&out, expect_reply(old, 0, sizeof out), sizeof out);
	assert_int_equal(out.size, BLOCK);
	expect_stored(9, 0x44);
	assert_int_equal(n_stored(), 2);
}

static void a_failure_is_settled_too(void **state _unused_)
{
	uint64_t unique = put_write(&p, 0, 9, 0x55);

	store_fault_fail_writes(store, 0, 1, -ENOSPC);
	fuseproto_handle(&p.proto, 0);
	(void)expect_reply(unique, -ENOSPC, 0);
	assert_int_equal(die_and_replay(), 1);
	(void)expect_reply(unique, -ENOSPC, 0);
	assert_int_equal(n_stored(), 1);
	assert_false(chunkmap_is_valid(p.cm, 9 * BLOCK, BLOCK));
}

/* What settled the last request says nothing about the next one in the same mailbox. */
static void settled_is_one_request(void **state _unused_)
{
	uint64_t unique = put_write(&p, 0, 9, 0x66);

	handle(0);
	(void)expect_reply(unique, 0, sizeof(struct fuse_write_out));
	unique = put_write(&p, 0, 9, 0x67);
	assert_int_equal(die_and_replay(), 1);
	(void)expect_reply(unique, 0, sizeof(struct fuse_write_out));
	expect_stored(9, 0x67);
}

static void reads_that_wait_are_taken_along(void **state _unused_)
{
	struct fuse_read_in arg = {.offset = 20 * BLOCK, .size = 2 * BLOCK};
	uint64_t unique = put(&p, 0, FUSE_READ, &arg, sizeof arg), write;
	const uint8_t *body;

	handle(0);
	expect_no_reply();
	for (unsigned deaths = 0; deaths < 3; deaths++) {
		assert_int_equal(die_and_replay(), 1);
		expect_no_reply();
	}
	for (unsigned i = 0; i < 2; i++) {
		write = put_write(&p, 0, 20 + i, (uint8_t)(0x70 + i));
		handle(0);
		if (i == 0)
			(void)expect_reply(write, 0, sizeof(struct fuse_write_out));
	}
	/* The second write answers the read before it is itself answered. */
	body = expect_reply(unique, 0, 2 * BLOCK);
	assert_int_equal(body[0], 0x70);
	assert_int_equal(body[BLOCK], 0x71);
	(void)expect_reply(write, 0, sizeof(struct fuse_write_out));
	assert_int_equal(die_and_replay(), 0);
	expect_no_reply();
}

/*
 * Killed between noting the read and emptying the mailbox: it is answered twice, which
 * harms nobody.
 */
static void in_both_places(void **state _unused_)
{
	struct fuse_read_in arg = {.offset = 20 * BLOCK, .size = BLOCK};
	uint64_t unique = put(&p, 0, FUSE_READ, &arg, sizeof arg), write;

	fuseproto_handle(&p.proto, 0);
	assert_int_equal(die_and_replay(), 2);
	write = put_write(&p, 0, 20, 0x81);
	handle(0);
	(void)expect_reply(unique, 0, BLOCK);
	(void)expect_reply(unique, 0, BLOCK);
	(void)expect_reply(write, 0, sizeof(struct fuse_write_out));
	assert_int_equal(die_and_replay(), 0);
}

/* -- killed for real ---------------------------------------------------------------------- */

#define OUTSTANDING 12u
#define KILLS 60

/* One block has one writer at a time, as under a filesystem. */
struct client {
	uint64_t unique; /* 0: nothing outstanding */
	bool is_read;
	uint8_t byte; /* in the block when nothing is outstanding; 0: never written */
};

static void *child_thread(void *arg)
{
	unsigned thread = (unsigned)(uintptr_t)arg;

	for (;;) {
		if (!fuseproto_receive(&p.proto, thread) ||
		    underway_is_empty(&p.underway, thread))
			continue;
		fuseproto_handle(&p.proto, thread);
	}
	return NULL;
}

static pid_t start_child(void)
{
	pid_t pid = fork();
	pthread_t thread;

	if (pid)
		return pid;
	if (process_init(&p, false) < 0)
		_exit(1);
	fuseproto_replay(&p.proto);
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&thread, NULL, child_thread, (void *)i);
	for (;;)
		pause();
}

static void send_next(struct client *c, uint64_t block)
{
	struct fuse_write_in write = {.offset = block * BLOCK, .size = BLOCK};
	struct fuse_read_in read = {.offset = block * BLOCK, .size = BLOCK};
	static struct request r;
	uint8_t data[BLOCK];
	size_t n;

	c->is_read = c->byte && last_unique / 2 % 3 == 0;
	if (!c->is_read)
		c->byte = (uint8_t)(c->byte % 255 + 1);
	memset(data, c->byte, sizeof data);
	if (c->is_read)
		n = request_init(&r, FUSE_READ, &read, sizeof read, "", 0);
	else
		n = request_init(&r, FUSE_WRITE, &write, sizeof write, data, sizeof data);
	assert_int_equal(send(kernel_fd, &r, n, 0), n);
	c->unique = r.in.unique;
}

/*
 * False when none came within 5 s.  Answers to what has been answered are what the kernel
 * refuses.
 */
static bool take_answer(struct client *clients)
{
	struct pollfd fd = {.fd = kernel_fd, .events = POLLIN};
	static struct reply r;

	if (poll(&fd, 1, 5000) <= 0 || !get_reply(&r))
		return false;
	for (unsigned i = 0; i < OUTSTANDING; i++) {
		if (clients[i].unique != r.out.unique)
			continue;
		assert_int_equal(r.out.error, 0);
		if (clients[i].is_read)
			assert_true(r.body[0] == clients[i].byte &&
				    r.body[BLOCK - 1] == clients[i].byte);
		clients[i].unique = 0;
	}
	return true;
}

static void keep_busy(struct client *clients, unsigned n_answers)
{
	while (n_answers--) {
		for (unsigned i = 0; i < OUTSTANDING; i++)
			if (clients[i].unique == 0)
				send_next(&clients[i], i * 5);
		assert_true(take_answer(clients));
	}
}

static bool is_outstanding(const struct client *clients)
{
	for (unsigned i = 0; i < OUTSTANDING; i++)
		if (clients[i].unique)
			return true;
	return false;
}

static void no_request_is_lost(void **state _unused_)
{
	struct client clients[OUTSTANDING] = {0};
	pid_t pid = 0;

	for (unsigned i = 0; i < KILLS; i++) {
		pid = start_child();
		keep_busy(clients, 20 + i * 7919 % 200);
		if (i + 1 < KILLS) {
			kill(pid, SIGKILL);
			assert_int_equal(waitpid(pid, NULL, 0), pid);
		}
	}
	while (is_outstanding(clients))
		assert_true(take_answer(clients));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	for (unsigned i = 0; i < OUTSTANDING; i++)
		expect_stored(i * 5, clients[i].byte);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(init_takes_what_is_offered),
		TEST(one_file),
		TEST(what_there_is_not),
		TEST(bad_ranges),
		TEST(failed_receive_is_not_the_end),
		TEST(read_only_stays_as_it_is),
		TEST(nothing_is_left_after_an_answer),
		TEST(died_before_it_was_done),
		TEST(done_is_not_done_again),
		TEST(a_failure_is_settled_too),
		TEST(settled_is_one_request),
		TEST(reads_that_wait_are_taken_along),
		TEST(in_both_places),
		TEST(no_request_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
