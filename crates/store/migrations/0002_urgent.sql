-- Urgent recipients of a destination are found among any number of others. Ordinary ones, which
-- have priority 0 or less, cost nothing here.

CREATE INDEX recipient_urgent ON recipient (destination, due)
    WHERE priority > 0 AND state = 'queued' AND owner_node IS NULL;
