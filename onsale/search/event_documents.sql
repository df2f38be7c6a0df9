-- What the index holds of these events. Raw: one round trip for a batch of documents, artists in the order of the poster.
SELECT * FROM search_listings WHERE id = ANY(:ids) AND status = 'published'
