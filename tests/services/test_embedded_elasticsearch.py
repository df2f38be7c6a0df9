"""The laptop's Elasticsearch: the official client is at home, filters do as their namesakes, a kill loses nothing."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from elasticsearch import BadRequestError, Elasticsearch, NotFoundError

from onsale.sandbox.elasticsearch import EmbeddedElasticsearch
from onsale.sandbox.elasticsearch_node import java_version, newest_java


@pytest.fixture
def client(elasticsearch_server):
    with Elasticsearch(elasticsearch_server.url()) as client:
        yield client


def test_the_official_client_stores_and_finds_what_is_misspelt(client):
    client.indices.create(index="found", mappings={"properties": {"name": {"type": "text"}}})
    client.index(index="found", id="7", document={"name": "Meridian"}, version=3, version_type="external")
    client.indices.refresh(index="found")

    hits = client.search(index="found", query={"match": {"name": {"query": "meridain", "fuzziness": "AUTO"}}})

    assert [hit["_id"] for hit in hits["hits"]["hits"]] == ["7"]
    assert client.get(index="found", id="7")["_version"] == 3


def test_words_are_cut_at_spaces_and_begun_as_the_distribution_does(client):
    beginnings = {"type": "edge_ngram", "min_gram": 2, "max_gram": 3}

    cut = client.indices.analyze(tokenizer="whitespace", text="Björk  AC/DC")
    begun = client.indices.analyze(tokenizer="whitespace", filter=[beginnings], text="björk münchen")

    assert [token["token"] for token in cut["tokens"]] == ["Björk", "AC/DC"]
    assert [token["token"] for token in begun["tokens"]] == ["bj", "bjö", "mü", "mün"]


def test_an_index_that_nobody_made_does_not_come_into_being(client):
    with pytest.raises(NotFoundError, match="index_not_found"):
        client.index(index="misspelt", document={})


def test_a_document_without_its_place_in_the_mapping_is_refused(client):
    client.indices.create(index="strict", mappings={"dynamic": "strict", "properties": {}})

    with pytest.raises(BadRequestError, match="strict_dynamic_mapping"):
        client.index(index="strict", document={"name": "x"})


@pytest.mark.slow
def test_after_a_kill_9_everything_acknowledged_is_there(elasticsearch_server):
    with tempfile.TemporaryDirectory() as folder, EmbeddedElasticsearch(Path(folder, "node")) as node:
        with Elasticsearch(node.url()) as client:
            client.indices.create(index="kept")
            client.index(index="kept", id="1", document={"name": "acknowledged"})
        address = node.url()

        node.kill()
        assert node.start_again_if_ended()

        with Elasticsearch(address) as client:
            assert client.get(index="kept", id="1")["_source"] == {"name": "acknowledged"}


def test_the_newest_java_that_is_new_enough_is_taken(elasticsearch_server, tmp_path, monkeypatch):
    older = tmp_path / "jdk-11"
    (older / "bin").mkdir(parents=True)
    (older / "bin" / "javac").touch()
    (older / "release").write_text('JAVA_VERSION="11.0.2"\n')
    monkeypatch.setenv("JAVA_HOME", str(older))

    assert java_version(older) == 11
    assert newest_java() not in (None, older)
