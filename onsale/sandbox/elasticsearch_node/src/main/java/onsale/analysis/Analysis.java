package onsale.analysis;

import java.util.Map;
import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.core.WhitespaceTokenizer;
import org.apache.lucene.analysis.ngram.EdgeNGramTokenFilter;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.index.analysis.AbstractTokenFilterFactory;
import org.elasticsearch.index.analysis.TokenFilterFactory;
import org.elasticsearch.index.analysis.TokenizerFactory;
import org.elasticsearch.indices.analysis.AnalysisModule.AnalysisProvider;
import org.elasticsearch.plugins.AnalysisPlugin;
import org.elasticsearch.plugins.Plugin;

/**
 * What Onsale's index asks for of Elasticsearch's analysis-common, under the same names and with the same parameters:
 * that module is part of every distribution and not on Maven Central.
 */
public final class Analysis extends Plugin implements AnalysisPlugin {
  @Override
  public Map<String, AnalysisProvider<TokenizerFactory>> getTokenizers() {
    return Map.of(
        "whitespace",
        (indexSettings, environment, name, settings) -> TokenizerFactory.newFactory(name, WhitespaceTokenizer::new));
  }

  @Override
  public Map<String, AnalysisProvider<TokenFilterFactory>> getTokenFilters() {
    return Map.of("edge_ngram", (indexSettings, environment, name, settings) -> new Beginnings(name, settings));
  }

  /** Adds the beginnings of a word, from min_gram to max_gram letters. */
  private static final class Beginnings extends AbstractTokenFilterFactory {
    private final int shortest;
    private final int longest;
    private final boolean preserveOriginal;

    Beginnings(String name, Settings settings) {
      super(name);
      shortest = settings.getAsInt("min_gram", 1);
      longest = settings.getAsInt("max_gram", 2);
      preserveOriginal = settings.getAsBoolean("preserve_original", false);
    }

    @Override
    public TokenStream create(TokenStream words) {
      return new EdgeNGramTokenFilter(words, shortest, longest, preserveOriginal);
    }
  }
}
