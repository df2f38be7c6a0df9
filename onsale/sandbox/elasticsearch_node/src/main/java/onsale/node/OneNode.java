package onsale.node;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginsLoader;

/**
 * Starts one Elasticsearch node inside this process, with the modules of its home, and stops it at SIGTERM.
 *
 * <p>Elasticsearch's own start-up wants the layout of its distribution, an agent and a native controller, which Maven
 * Central does not have; a node itself needs none of them.
 */
public final class OneNode {
  private OneNode() {}

  /** Arguments: the folder of the configuration, then settings as name=value. */
  public static void main(String[] arguments) throws Exception {
    LogConfigurator.configureESLogging();
    Settings.Builder settings = Settings.builder();
    for (int i = 1; i < arguments.length; i++) {
      String[] pair = arguments[i].split("=", 2);
      settings.put(pair[0], pair[1]);
    }
    Environment environment =
        InternalSettingsPreparer.prepareEnvironment(
            settings.build(), Map.of(), Path.of(arguments[0]), () -> "onsale");
    PluginsLoader modules =
        PluginsLoader.createPluginsLoader(
            PluginsLoader.loadModulesBundles(environment.modulesDir(), false), Set.of(), Map.of(), false);
    Node node = new Node(environment, modules);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> close(node)));
    node.start();
    new CountDownLatch(1).await();
  }

  private static void close(Node node) {
    try {
      node.close();
    } catch (IOException error) {
      throw new java.io.UncheckedIOException(error);
    }
  }
}
