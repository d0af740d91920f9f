-- What an inbox goes by, as JSON; without it as every other.

ALTER TABLE inbox ADD COLUMN settings TEXT;
