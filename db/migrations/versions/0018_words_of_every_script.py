"""Words are folded and cut as the search's code does it, in every script; what is searched is written anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from unicodedata import category, normalize

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

# All as in onsale/search/folding.py, for within the brackets of a regular expression. What who types may leave out:
# accents, Hebrew's and Arabic's vowels, the dot below of Hindi, what stretches an Arabic word, chooses the form of a
# sign, or is not seen. Other marks are letters: the vowels of Hindi and Thai, what voices a kana.
LEFT_OUT = (
    r"\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670"
    r"\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u0711\u0730-\u074a\u093c\u180b-\u180f\u1ab0-\u1aff\u1dc0-\u1dff"
    r"\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f\U000e0000-\U000e0fff"
)
# Letters to Unicode, apostrophes to people; pictures, also those to come; what has no meaning of its own.
MARKS = r"\u02b9-\u02bf\U0001f000-\U0001fbff\ue000-\uf8ff\U000f0000-\U0010ffff"
# Scripts without spaces whose every sign is a word here: Chinese, and kana but for katakana; and what voices a kana.
SIGNS = r"\u3005-\u3007\u3041-\u3096\u309d-\u309f\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
VOICING = r"\u3099\u309a"
# Letters of their own to Unicode.
OTHERWISE = dict(zip("øłđðħıȷŧƒŋς", "olddhijtfn\u03c3", strict=True))
DOUBLE = {"ß": "ss", "æ": "ae", "œ": "oe", "þ": "th"}
# Beyond the second plane no letter has a lower case, and what is no letter is named above.
LETTERS = 0x20000


def upgrade() -> None:
    # Whoever began to write before this has written with the functions as they were, and whoever begins after it finds
    # these: nothing is written the old way behind our back. In the order in which a new show locks them.
    op.execute("LOCK TABLE venues, events, artists, event_artists IN SHARE MODE")
    for statement in (folded_words(), WORDS_APART, PLAIN_WORDS, FINDABLE_WORDS, SEARCH_TERMS, SEARCH_DOCUMENT, REFRESH):
        op.execute(statement)
    # In many steps, each committed: over a million events it takes minutes, and shows are put on sale meanwhile. Cut
    # short, the whole migration is run again.
    with op.get_context().autocommit_block():
        op.execute(WRITE_ANEW)


def folded_words() -> str:
    """The function of that name, all letters written out: the record's own locale may know no more than ASCII's.

    They are taken from Python's tables of Unicode, in which a letter that is there once never changes.
    """
    upper = [letter for letter in _letters() if _lower(letter) != letter and not letter.isascii()]
    return FOLDED_WORDS % {
        "upper": "".join(upper),
        "lower": "".join(map(_lower, upper)),
        "not_lower": _class(set(upper).__contains__),
        "left_out": LEFT_OUT + _class(lambda letter: category(letter) == "Cf"),
        "spaces": _class(lambda letter: category(letter) in ("Zs", "Zl", "Zp", "Cc") and not letter.isascii()),
        "marks": MARKS + _class(lambda letter: category(letter)[0] in "PS" and not letter.isascii()),
        "doubled": "".join(f"folded := replace(folded, '{one}', '{two}');\n        " for one, two in DOUBLE.items()),
    }


@cache
def _letters() -> tuple[str, ...]:
    """What may be left of a text that is taken apart."""
    return tuple(letter for letter in map(chr, range(LETTERS)) if normalize("NFKD", letter) == letter)


def _lower(letter: str) -> str:
    return OTHERWISE.get(letter.lower(), letter.lower())


def _class(true: Callable[[str], bool]) -> str:
    """The letters of which this is true, as ranges for within the brackets of a regular expression."""

    def ranges() -> Iterator[str]:
        inside = [ord(letter) for letter in _letters() if true(letter)]
        first = last = inside[0]
        for number in [*inside[1:], LETTERS + 1]:
            if number != last + 1:
                yield rf"\U{first:08x}-\U{last:08x}"
                first = number
            last = number

    return "".join(ranges())


# Taken apart, lower, without accents; a space for what parts words, a hyphen for what may stand within one. The slow
# translation is for few: of most names nothing is left for it.
FOLDED_WORDS = """
CREATE OR REPLACE FUNCTION folded_words(value text) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    folded text COLLATE "C" := value;
BEGIN
    IF octet_length(folded) <> char_length(folded) THEN
        folded := regexp_replace(normalize(folded, NFKD), '[%(left_out)s]', '', 'g');
        IF folded ~ '[%(not_lower)s]' THEN
            folded := translate(folded, '%(upper)s', '%(lower)s');
        END IF;
        %(doubled)sfolded := regexp_replace(folded, '[%(spaces)s]', ' ', 'g');
        folded := regexp_replace(folded, '[%(marks)s]', '-', 'g');
    END IF;
    folded := regexp_replace(lower(folded), '[\\x01-\\x20\\x7f]', ' ', 'g');
    RETURN regexp_replace(folded, '[\\x21-\\x2f\\x3a-\\x40\\x5b-\\x60\\x7b-\\x7e]', '-', 'g');
END $$"""

# With one space between words, and around what is a word by itself.
PLAIN_WORDS = """
CREATE OR REPLACE FUNCTION plain_words(value text) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN words_apart(replace(folded_words(value), '-', ' '));
END $$"""
WORDS_APART = rf"""
CREATE OR REPLACE FUNCTION words_apart(folded text) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF octet_length(folded) <> char_length(folded) THEN
        folded := regexp_replace(folded COLLATE "C", '[{SIGNS}][{VOICING}]*', ' \& ', 'g');
    END IF;
    RETURN btrim(regexp_replace(folded COLLATE "C", ' +', ' ', 'g'));
END $$"""

# With the words that there are when what stands within one is left out: of AC/DC not only ac and dc, but acdc.
FINDABLE_WORDS = """
CREATE OR REPLACE FUNCTION findable_words(value text) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    folded text := folded_words(value);
    apart text[] := string_to_array(words_apart(replace(folded, '-', ' ')), ' ');
    joined text[];
BEGIN
    IF position('-' IN folded) > 0 THEN
        joined := ARRAY(SELECT word FROM unnest(string_to_array(words_apart(replace(folded, '-', '')), ' '))
                          WITH ORDINALITY AS j (word, place)
                         WHERE word <> ALL (apart) GROUP BY word ORDER BY min(place));
    END IF;
    RETURN array_to_string(apart || joined, ' ');
END $$"""

# Not by to_tsvector: its parser has a mind of its own about what a word is. PostgreSQL takes words of 2,046 bytes.
SEARCH_TERMS = """
CREATE OR REPLACE FUNCTION search_terms(words text, weight text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CAST(coalesce(string_agg(format('''%s'':%s%s', left(word, 500), place, weight), ' '), '') AS tsvector)
      FROM unnest(array_remove(string_to_array(words, ' '), '')) WITH ORDINALITY AS w (word, place)
$$"""

SEARCH_DOCUMENT = """
CREATE OR REPLACE FUNCTION search_document(wanted bigint) RETURNS SETOF search_documents LANGUAGE sql STABLE AS $$
    WITH words AS MATERIALIZED (
        SELECT e.id, findable_words(e.name) AS name, findable_words(e.genre) AS genre,
               findable_words(concat_ws(' ', v.name, v.city, v.country, v.region)) AS place,
               findable_words((SELECT coalesce(string_agg(a.name, ' ' ORDER BY ea.position), '')
                                 FROM event_artists ea JOIN artists a ON a.id = ea.artist_id
                                WHERE ea.event_id = e.id)) AS artist
          FROM events e JOIN venues v ON v.id = e.venue_id
         WHERE e.id = wanted)
    SELECT id, artist, place,
           concat_ws(' ', nullif(name, ''), nullif(artist, ''), nullif(place, ''), nullif(genre, '')),
           search_terms(artist, ''), search_terms(place, ''),
           search_terms(concat_ws(' ', name, artist), 'A') || search_terms(concat_ws(' ', place, genre), 'B')
      FROM words
$$"""

REFRESH = """
CREATE OR REPLACE FUNCTION search_document_is_fresh(wanted bigint) RETURNS void LANGUAGE sql AS $$
    INSERT INTO search_documents SELECT * FROM search_document(wanted)
    ON CONFLICT (event_id) DO UPDATE SET
        artist_words = excluded.artist_words, place_words = excluded.place_words, all_words = excluded.all_words,
        artist_terms = excluded.artist_terms, place_terms = excluded.place_terms, all_terms = excluded.all_terms
$$"""

# The lock keeps names still while they are read and written: for a fraction of a second.
WRITE_ANEW = """
DO $$
DECLARE
    last bigint := 0;
    ids bigint[];
BEGIN
    LOOP
        LOCK TABLE venues, events, artists, event_artists IN SHARE MODE;
        ids := ARRAY(SELECT id FROM events WHERE id > last ORDER BY id LIMIT 250);
        EXIT WHEN ids = '{}';
        PERFORM search_document_is_fresh(id) FROM unnest(ids) AS id;
        last := ids[cardinality(ids)];
        COMMIT;
    END LOOP;
END $$"""
