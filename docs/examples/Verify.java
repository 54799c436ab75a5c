// A bank's program that verifies deeds: java Verify.java https://notary.example deed.pdf [more.pdf ...]
// One file, no library, JDK 11 or newer; receipts are checked from JDK 15 on, which knows Ed25519.
// The key stands in YUANZHENG_KEY; a registered client certificate is given to Java itself
// (-Djavax.net.ssl.keyStore=bank.p12 -Djavax.net.ssl.keyStorePassword=...).
// Exit code 0: every deed is valid; 1: one is not; 2: an answer is not the office's.

import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.X509EncodedKeySpec;
import java.time.Duration;
import java.util.Base64;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

public class Verify {
    private static final byte[] BEFORE_A_KEY = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00}; // RFC 8410
    private final HttpClient http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).connectTimeout(Duration.ofSeconds(10)).build();
    private final String office;
    private final String key;
    private final PublicKey signer;

    static class NotTheOffice extends RuntimeException {
        NotTheOffice(String why) { super(why); }
    }

    Verify(String office, String key) throws Exception {
        this.office = office;
        this.key = key;
        this.signer = signer();
    }

    private PublicKey signer() throws Exception {
        String keys = send(asking("/.well-known/yuanzheng/keys.json").GET());
        Matcher each = Pattern.compile("\\{[^{}]*\"use\": ?\"receipt\"[^{}]*\\}").matcher(keys);
        if (!each.find()) throw new NotTheOffice("it publishes no key for receipts");
        ByteArrayOutputStream der = new ByteArrayOutputStream();
        der.write(BEFORE_A_KEY);
        der.write(Base64.getUrlDecoder().decode(field(each.group(), "x")));
        try {
            return KeyFactory.getInstance("Ed25519").generatePublic(new X509EncodedKeySpec(der.toByteArray()));
        } catch (NoSuchAlgorithmException old) {
            return null;
        }
    }

    private HttpRequest.Builder asking(String path) {
        return HttpRequest.newBuilder(URI.create(office + path)).timeout(Duration.ofSeconds(60)).header("X-API-Key", key);
    }

    /** The answer's body; a 404 is an answer too. */
    private String send(HttpRequest.Builder asked) throws Exception {
        HttpResponse<String> answer = http.send(asked.build(), HttpResponse.BodyHandlers.ofString(StandardCharsets.UTF_8));
        if (answer.statusCode() != 200 && answer.statusCode() != 404)
            throw new IllegalStateException(answer.statusCode() + " " + answer.body());
        return answer.body();
    }

    String byHash(String sha256) throws Exception {
        HttpRequest.Builder asked = asking("/api/v1/verifications").header("Content-Type", "application/json")
            .header("Idempotency-Key", UUID.randomUUID().toString());
        return verdict(send(asked.POST(HttpRequest.BodyPublishers.ofString("{\"sha256\": \"" + sha256 + "\"}"))));
    }

    String byFile(byte[] data) throws Exception {
        String edge = UUID.randomUUID().toString();
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        body.write(("--" + edge + "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"deed.pdf\"\r\n\r\n").getBytes(StandardCharsets.UTF_8));
        body.write(data);
        body.write(("\r\n--" + edge + "--\r\n").getBytes(StandardCharsets.UTF_8));
        HttpRequest.Builder asked = asking("/api/v1/verifications").header("Content-Type", "multipart/form-data; boundary=" + edge)
            .header("Idempotency-Key", edge);
        return verdict(send(asked.POST(HttpRequest.BodyPublishers.ofByteArray(body.toByteArray()))));
    }

    private String verdict(String told) throws Exception {
        String receipt = field(told, "receipt");
        return receipt.isEmpty() ? field(told, "code") : field(claims(receipt), "verdict");
    }

    /** Lines whose last one holds a receipt over all before it; returns those before it. */
    String[] lines(String text) throws Exception {
        int end = text.lastIndexOf('\n', text.length() - 2) + 1;
        String before = text.substring(0, end);
        String said = field(claims(field(text.substring(end), "receipt")), "sha256");
        if (!said.equals(sha256(before.getBytes(StandardCharsets.UTF_8)))) throw new NotTheOffice("the receipt is over other lines");
        return before.isEmpty() ? new String[0] : before.split("\n");
    }

    /** What the office signed (JWS, RFC 7515 and 8037). */
    private String claims(String receipt) throws Exception {
        String[] parts = receipt.split("\\.");
        if (signer != null) {
            Signature check = Signature.getInstance("Ed25519");
            check.initVerify(signer);
            check.update((parts[0] + "." + parts[1]).getBytes(StandardCharsets.US_ASCII));
            if (!check.verify(Base64.getUrlDecoder().decode(parts[2]))) throw new NotTheOffice("its signature does not fit");
        }
        return new String(Base64.getUrlDecoder().decode(parts[1]), StandardCharsets.UTF_8);
    }

    private static String field(String json, String name) {
        Matcher found = Pattern.compile("\"" + name + "\": ?\"([^\"]*)\"").matcher(json);
        return found.find() ? found.group(1) : "";
    }

    private static String sha256(byte[] data) throws Exception {
        StringBuilder hex = new StringBuilder();
        for (byte one : MessageDigest.getInstance("SHA-256").digest(data)) hex.append(String.format("%02x", one));
        return hex.toString();
    }

    public static void main(String[] given) throws Exception {
        try {
            Verify bank = new Verify(given[0].replaceAll("/$", ""), System.getenv("YUANZHENG_KEY"));
            boolean good = true;
            StringBuilder many = new StringBuilder();
            for (int at = 1; at < given.length; at++) {
                byte[] data = Files.readAllBytes(Path.of(given[at]));
                String byFile = bank.byFile(data);
                System.out.println(given[at] + ": by hash " + bank.byHash(sha256(data)) + ", by file " + byFile);
                many.append("{\"sha256\": \"").append(sha256(data)).append("\"}\n");
                good &= byFile.equals("valid");
            }
            HttpRequest.Builder batch = bank.asking("/api/v1/verifications/batch").header("Content-Type", "application/x-ndjson");
            int line = 0;
            for (String one : bank.lines(bank.send(batch.POST(HttpRequest.BodyPublishers.ofString(many.toString())))))
                System.out.println("batch line " + ++line + ": " + (field(one, "verdict") + field(one, "code")).replaceAll("^(valid|revoked|under_review).*", "$1"));
            for (String one : bank.lines(bank.send(bank.asking("/api/v1/revocations?after=0").GET())))
                System.out.println(field(one, "type") + " " + field(one, "number") + " at " + field(one, "at"));
            System.out.println(bank.signer == null ? "receipts were not checked: that needs JDK 15" : "every receipt is the office's");
            System.exit(good ? 0 : 1);
        } catch (NotTheOffice wrong) {
            System.err.println("not the office's answer: " + wrong.getMessage());
            System.exit(2);
        }
    }
}
