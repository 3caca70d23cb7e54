SELECT count(*) FROM watermarks;
