-- The recipient that an operator asked to try: the next claim of a destination begins with it,
-- also where one recipient alone goes, to see whether the destination is back.

ALTER TABLE destination ADD COLUMN asked INTEGER;

-- A server that had an account gets no first one again.

INSERT INTO meta (name, value)
    SELECT 'had_account', x'31' WHERE EXISTS (SELECT 1 FROM principal)
    ON CONFLICT (name) DO NOTHING;
