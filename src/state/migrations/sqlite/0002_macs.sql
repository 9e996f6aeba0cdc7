-- Version 2: the MAC of each entry, by a key derived from the seed. NULL: written by version 1.
ALTER TABLE audit ADD COLUMN mac BLOB;
