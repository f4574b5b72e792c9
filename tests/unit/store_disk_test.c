// SPDX-License-Identifier: Apache-2.0
/*
 * store_disk_test.c - the contract in a file and on a loop device, what may be used, and
 * a disk that fails
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "tests/unit/store_contract.h"

#include "base/log.h"
#include "store/store_disk.h"
#include "tests/fakes/disk_power.h"

#define CHUNK 65536u
#define DISK_MIB 16u

static char dir[] = "/tmp/hydroot-disk-XXXXXX";
static char path[64];

static struct store_disk_config config_for(const char *where)
{
	return (struct store_disk_config){
		.where = where,
		.image = {.digest = {9, 9},
			  .image_bytes = STORE_TEST_BYTES,
			  .chunk_bytes = CHUNK},
		.n_threads = 6,
	};
}

static int setup(void **state _unused_)
{
	log_daemon(-1, -1);
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state _unused_)
{
	return rmdir(dir);
}

static int before(void **state _unused_)
{
	snprintf(path, sizeof path, "%s/store", dir);
	return 0;
}

static int after(void **state _unused_)
{
	unlink(path);
	return 0;
}

static void write_file(const void *data, size_t n_bytes, off_t off)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, n_bytes, off), n_bytes);
	close(fd);
}

static void keeps_the_contract_in_a_file(void **state _unused_)
{
	const struct store_disk_config config = config_for(path);
	struct store *s;
	struct stat st;

	if (store_disk_new(&config, &s) == -EAGAIN)
		skip(); /* aio-max-nr */
	assert_string_equal(s->ops->kind, "file");
	assert_true(store_is_persistent(s));
	store_contract(s);
	store_free(s);
	/* Sparse, and for nobody else's eyes. */
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true((uint64_t)st.st_size >= STORE_TEST_BYTES);
	assert_true((uint64_t)st.st_blocks * 512 < STORE_TEST_BYTES / 2 + (4u << 20));
}

/* A free loop device over a file of DISK_MIB; its fd, or -1 where there is none to be had. */
static int loop_over_file(char ret_path[32])
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), fd = -1;
	int backing = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct loop_config config = {.fd = (uint32_t)backing};

	if (control >= 0 && ftruncate(backing, DISK_MIB << 20) == 0)
		for (int i = 0; fd < 0 && i < 20; i++) {
			snprintf(ret_path, 32, "/dev/loop%d",
				 ioctl(control, LOOP_CTL_GET_FREE));
			fd = open(ret_path, O_RDWR | O_CLOEXEC);
			if (fd >= 0 && ioctl(fd, LOOP_CONFIGURE, &config) < 0) {
				close(fd);
				fd = -1;
			}
		}
	close(backing);
	if (control >= 0)
		close(control);
	return fd;
}

static void keeps_the_contract_on_a_device(void **state _unused_)
{
	char device[32];
	int loop = loop_over_file(device), other;
	struct store_disk_config config = config_for(device);
	struct store *s;

	if (loop < 0)
		skip();
	assert_int_equal(store_disk_new(&config, &s), 0);
	assert_string_equal(s->ops->kind, "disk");
	assert_string_equal(s->device, device);
	assert_true(s->dev_major > 0);
	store_contract(s);
	/* Nobody mounts it meanwhile. */
	other = open(device, O_RDONLY | O_EXCL | O_CLOEXEC);
	assert_int_equal(other, -1);
	assert_int_equal(errno, EBUSY);
	store_free(s);
	/* A larger image does not fit. */
	config.image.image_bytes = (uint64_t)DISK_MIB << 20;
	assert_int_equal(store_disk_new(&config, &s), -ENOSPC);
	ioctl(loop, LOOP_CLR_FD);
	close(loop);
}

static void store_chunk(struct store *s, uint64_t ci, uint64_t seed)
{
	uint8_t *buf = store_buffer(CHUNK, seed);

	assert_int_equal(store_put(s, ci * CHUNK, buf, CHUNK), 0);
	store_chunk_stored(s, ci, buf, CHUNK);
	free(buf);
}

static bool has(struct store *s, uint64_t ci)
{
	return s->ops->persistence->has_chunk(s, ci);
}

static void remembers_and_forgets(void **state _unused_)
{
	struct store_disk_config config = config_for(path);
	uint8_t *buf = store_buffer(CHUNK, 1), *want = store_buffer(CHUNK, 42);
	struct store *s, *second;

	assert_int_equal(store_disk_new(&config, &s), 0);
	store_chunk(s, 5, 42);
	store_chunk(s, 6, 43);
	store_chunk(s, 7, 44);
	store_before_write(s, 6 * CHUNK + 4096, 4096);
	/* Over the border of two chunks. */
	store_before_write(s, 8 * CHUNK - 4096, 8192);
	store_chunk(s, 8, 45);
	assert_int_equal(store_disk_new(&config, &second), -EBUSY);
	store_free(s);

	assert_int_equal(store_disk_new(&config, &s), 0);
	assert_true(has(s, 5));
	for (uint64_t ci = 6; ci < 9; ci++)
		assert_false(has(s, ci));
	assert_int_equal(s->ops->persistence->check_chunk(s, 5, buf, CHUNK), 0);
	assert_memory_equal(buf, want, CHUNK);
	/* What was not remembered reads as zeros, whatever lies there. */
	assert_int_equal(store_get(s, 6 * CHUNK, buf, CHUNK), 0);
	for (unsigned i = 0; i < CHUNK; i++)
		assert_int_equal(buf[i], 0);
	store_free(s);

	/* Another image: nothing of the first is left. */
	config.image.digest[0] = 1;
	assert_int_equal(store_disk_new(&config, &s), 0);
	assert_false(has(s, 5));
	assert_int_equal(store_get(s, 5 * CHUNK, buf, CHUNK), 0);
	assert_int_equal(buf[100], 0);
	store_free(s);
	config.image.digest[0] = 9;
	assert_int_equal(store_disk_new(&config, &s), 0);
	assert_false(has(s, 5));
	store_free(s);
	free(buf);
	free(want);
}

static void leaves_foreign_data_alone(void **state _unused_)
{
	struct store_disk_config config = config_for(path);
	static const uint8_t ext4_magic[2] = {0x53, 0xef};
	uint8_t first[4] = {0};
	struct store *s;
	int fd;

	write_file("text", 4, 0);
	assert_int_equal(store_disk_new(&config, &s), -EEXIST);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, first, 4), 4);
	assert_memory_equal(first, "text", 4);
	close(fd);
	config.may_format = true;
	assert_int_equal(store_disk_new(&config, &s), 0);
	store_free(s);
	/* Ours by now: no leave is needed any more. */
	config.may_format = false;
	assert_int_equal(store_disk_new(&config, &s), 0);
	store_free(s);
	unlink(path);
	write_file(ext4_magic, sizeof ext4_magic, 1024 + 56);
	assert_int_equal(store_disk_new(&config, &s), -EEXIST);
	unlink(path);
	/* Zeros are nobody's. */
	write_file("", 1, 2 << 20);
	assert_int_equal(store_disk_new(&config, &s), 0);
	store_free(s);
	config.where = "/tmp/hydroot-no-such-folder/store";
	assert_int_equal(store_disk_new(&config, &s), -ENOENT);
	config.where = "/dev/null";
	assert_int_equal(store_disk_new(&config, &s), -EINVAL);
	config.where = "PARTLABEL=hydroot-no-such-partition";
	assert_int_equal(store_disk_new(&config, &s), -ENOENT);
}

/* Both superblocks are damaged: it is still ours, and started afresh. */
static void damaged_superblocks(void **state _unused_)
{
	const struct store_disk_config config = config_for(path);
	struct store *s;

	assert_int_equal(store_disk_new(&config, &s), 0);
	store_chunk(s, 1, 2);
	store_free(s);
	write_file("x", 1, 50);
	assert_int_equal(store_disk_new(&config, &s), 0);
	assert_true(has(s, 1));
	store_free(s);
	write_file("x", 1, 50);
	write_file("x", 1, LAYOUT_SUPER_STEP + 50);
	assert_int_equal(store_disk_new(&config, &s), 0);
	assert_false(has(s, 1));
	store_free(s);
}

static struct store *over(struct disk *d)
{
	const struct store_disk_config config = config_for("power");
	struct store *s;

	assert_int_equal(store_disk_over(d, &config, &s), 0);
	return s;
}

static void errors_of_the_device_are_survived(void **state _unused_)
{
	struct disk *d = disk_power_new(DISK_MIB << 20);
	struct store *s = over(d);
	uint8_t *buf = store_buffer(CHUNK, 1);

	disk_power_fail(d, false, 1, -EIO);
	assert_int_equal(store_put(s, 0, buf, CHUNK), -EIO);
	/* Not written: still zeros. */
	assert_int_equal(store_get(s, 0, buf, 4096), 0);
	assert_int_equal(buf[1], 0);
	disk_power_fail(d, false, 0, 0);
	store_chunk(s, 1, 7);
	/* The data cannot be flushed: it is not recorded, also later. */
	disk_power_fail(d, true, 1, -EIO);
	assert_int_equal(store_disk_sync(s), -EIO);
	disk_power_fail(d, true, 0, 0);
	assert_int_equal(store_disk_sync(s), 0);
	assert_false(has(s, 1));
	/* A writer is not held up by a journal that cannot be written. */
	store_chunk(s, 2, 8);
	assert_int_equal(store_disk_sync(s), 0);
	assert_true(has(s, 2));
	disk_power_fail(d, false, 1, -ENOSPC);
	store_before_write(s, 2 * CHUNK, 4096);
	disk_power_fail(d, false, 0, 0);
	assert_int_equal(store_put(s, 2 * CHUNK, buf, 4096), 0);
	assert_false(has(s, 2));
	store_free(s);
	free(buf);
}

/* After a handover the kernel reads the device alone: it has zeros where the store says zeros. */
static void given_away_it_is_the_image(void **state _unused_)
{
	struct disk *d = disk_power_new(DISK_MIB << 20);
	struct store *s;
	uint8_t *zeros = calloc(1, CHUNK);

	memset(disk_power_bytes(d) + (8u << 20), 0x5a, 8u << 20);
	s = over(d);
	store_chunk(s, 0, 3);
	store_chunk(s, 127, 4);
	assert_int_equal(s->given.fd, -1);
	assert_int_equal(s->ops->persistence->give(s), 0);
	for (uint64_t ci = 1; ci < 127; ci++)
		assert_memory_equal(disk_power_bytes(d) + s->given.off + ci * CHUNK,
				    zeros, CHUNK);
	assert_memory_not_equal(disk_power_bytes(d) + s->given.off, zeros, CHUNK);
	store_free(s);
	free(zeros);
}

static void *dirty_thread(void *arg)
{
	struct store *s = arg;

	for (uint64_t ci = 0; ci < STORE_TEST_BYTES / CHUNK; ci++)
		store_before_write(s, ci * CHUNK, 4096);
	return NULL;
}

static void *stored_thread(void *arg)
{
	struct store *s = arg;

	for (uint64_t ci = 0; ci < STORE_TEST_BYTES / CHUNK; ci++)
		store_chunk(s, ci, ci);
	return NULL;
}

/* With the journal's thread, and a flush once for many of them. */
static void many_threads(void **state _unused_)
{
	const struct store_disk_config config = config_for(path);
	void *(*const bodies[])(void *) = {stored_thread, stored_thread, dirty_thread,
					   dirty_thread, stored_thread};
	pthread_t threads[ARRAY_SIZE(bodies)];
	struct store *s;

	assert_int_equal(store_disk_new(&config, &s), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(bodies); i++)
		pthread_create(&threads[i], NULL, bodies[i], s);
	for (unsigned i = 0; i < ARRAY_SIZE(bodies); i++)
		pthread_join(threads[i], NULL);
	store_free(s);
	/* Every chunk was written to by somebody: none is remembered. */
	assert_int_equal(store_disk_new(&config, &s), 0);
	for (uint64_t ci = 0; ci < STORE_TEST_BYTES / CHUNK; ci++)
		assert_false(has(s, ci));
	store_free(s);
}

/*
 * A process was killed, the next one has its memory and descriptors: nothing is lost,
 * zeros and dirt included.
 */
static void goes_on_after_a_death(void **state _unused_)
{
	struct store_disk_config config = config_for(path);
	uint64_t n_bytes = store_disk_memory_bytes(&config.image);
	uint8_t *memory = calloc(1, n_bytes), *copy = malloc(n_bytes);
	uint8_t *buf = store_buffer(CHUNK, 1), *want = store_buffer(CHUNK, 42);
	struct store *s, *again;
	int fd, claim;

	config.memory = memory;
	assert_int_equal(store_disk_new(&config, &s), 0);
	store_chunk(s, 5, 42);
	store_chunk(s, 6, 43);
	store_chunk(s, 7, 44);
	assert_int_equal(store_disk_sync(s), 0);
	store_before_write(s, 6 * CHUNK, CHUNK);
	assert_int_equal(store_put(s, 6 * CHUNK, buf, CHUNK), 0);
	store_before_write(s, 7 * CHUNK, CHUNK);
	assert_int_equal(store_discard(s, 7 * CHUNK, CHUNK), 0);
	store_disk_fds(s, &fd, &claim);
	assert_int_equal(claim, -1);
	fd = dup(fd);
	/* What the dead one would have written later is not to be there. */
	memcpy(copy, memory, n_bytes);
	store_free(s);
	config.memory = copy;
	assert_int_equal(store_disk_adopt(&config, fd, claim, &again), 0);
	assert_true(has(again, 5));
	assert_false(has(again, 6));
	assert_int_equal(store_get(again, 6 * CHUNK, want, CHUNK), 0);
	assert_memory_equal(want, buf, CHUNK);
	assert_int_equal(store_get(again, 7 * CHUNK, want, CHUNK), 0);
	for (unsigned i = 0; i < CHUNK; i++)
		assert_int_equal(want[i], 0);
	/* Still dirty: not to be remembered. */
	store_chunk(again, 6, 43);
	store_before_write(again, 5 * CHUNK, 4096);
	store_chunk(again, 8, 45);
	store_free(again);
	config.memory = NULL;
	assert_int_equal(store_disk_new(&config, &s), 0);
	assert_false(has(s, 5) || has(s, 6) || has(s, 7));
	assert_true(has(s, 8));
	store_free(s);
	free(memory);
	free(copy);
	free(buf);
	free(want);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, before, after)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(keeps_the_contract_in_a_file),
		CASE(keeps_the_contract_on_a_device),
		CASE(remembers_and_forgets),
		CASE(leaves_foreign_data_alone),
		CASE(damaged_superblocks),
		CASE(errors_of_the_device_are_survived),
		CASE(given_away_it_is_the_image),
		CASE(many_threads),
		CASE(goes_on_after_a_death),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
