-- SPDX-License-Identifier: MIT
-- Bytes in use, bytes that are free inside the file.
SELECT (page_count - freelist_count) * page_size, freelist_count * page_size
FROM pragma_page_count, pragma_freelist_count, pragma_page_size;
