import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.WebSocket;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/** Sends requests with the defaults of Java's HTTP client, which offers HTTP/2 with each, and opens a WebSocket. */
public class Client {
    private static final HttpClient CLIENT = HttpClient.newHttpClient();
    private static URI endpoint;

    public static void main(String[] arguments) throws Exception {
        endpoint = URI.create(arguments[0]);
        post("{ limits { maxCount } }");
        post("{ limits { maxCount } }" + " ".repeat(14_000));
        System.out.println(firstMessage().get());
    }

    private static void post(String query) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(endpoint)
            .header("Content-Type", "application/json")
            .POST(BodyPublishers.ofString("{\"query\": \"" + query + "\"}"))
            .build();
        System.out.println(CLIENT.send(request, BodyHandlers.ofString()).body());
    }

    private static CompletableFuture<String> firstMessage() {
        CompletableFuture<String> message = new CompletableFuture<>();
        WebSocket.Listener listener = new WebSocket.Listener() {
            @Override
            public CompletionStage<?> onText(WebSocket socket, CharSequence data, boolean isLast) {
                message.complete(data.toString());
                return null;
            }
        };
        CLIENT.newWebSocketBuilder()
            .subprotocols("graphql-transport-ws")
            .buildAsync(URI.create(endpoint.toString().replace("http", "ws")), listener)
            .thenAccept(socket -> socket.sendText("{\"type\": \"connection_init\"}", true));
        return message;
    }
}
