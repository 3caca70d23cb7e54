/* SPDX-License-Identifier: MIT */
/* Configuration files: refused with a line, or all settings within bounds. */
#include "config.h"

#include <sys/mman.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/config_file.h"
#include "tests/fuzz/fuzz.h"

int
fuzz_config(const uint8_t *data, size_t len)
{
	static char path[64];
	static int fd = -1;
	struct config config, before;
	char error[400] = "";

	if (fd == -1) {
		fd = memfd_create("config", MFD_CLOEXEC);
		MUST(fd != -1);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	MUST(ftruncate(fd, 0) == 0);
	MUST(pwrite(fd, data, len, 0) == (ssize_t)len);
	if (config_load(&config, path, error, sizeof(error)) == -1) {
		MUST(error[0] != '\0' && strlen(error) < sizeof(error));
		MUST(config.database == NULL && config.retention == NULL);
		return 0;
	}
	MUST(config.database[0] != '\0' && config.run_dir[0] != '\0');
	MUST(config.max_data >= 1 && config.max_body >= config.max_data);
	MUST(config.heartbeat_ms >= 50 && config.check_ms >= 10);
	MUST(config.life_min_ms <= config.life_max_ms);
	MUST(config.nretention >= 1);
	MUST(config.retention[config.nretention - 1].pattern == NULL);
	MUST(config_retention(&config, "news") != NULL);
	/* On SIGHUP it takes the place of another. */
	MUST(config_load(&before, NULL, error, sizeof(error)) == 0);
	config_keep_fixed(&config, &before);
	MUST(strcmp(config.database, before.database) == 0);
	MUST(strcmp(config.run_dir, before.run_dir) == 0);
	config_free(&before);
	config_free(&config);
	return 0;
}
