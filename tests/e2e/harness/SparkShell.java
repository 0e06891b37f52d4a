import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/**
 * One Spark session without Python: its settings come as arguments, {@code KEY=VALUE}, a statement on each line of its input,
 * rows or an error go out on each line of its output, all of it JSON. Values are of SQL's plain types.
 */
public class SparkShell {
    public static void main(String[] settings) throws Exception {
        PrintStream out = System.out;
        // What Spark prints must not be taken for an answer.
        System.setOut(System.err);
        SparkSession.Builder builder = SparkSession.builder();
        for (String setting : settings) {
            int at = setting.indexOf('=');
            builder.config(setting.substring(0, at), setting.substring(at + 1));
        }
        SparkSession session = builder.getOrCreate();
        ObjectMapper json = new ObjectMapper();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            out.println(json.writeValueAsString(answer(session, json.readValue(line, String.class))));
            out.flush();
        }
        session.stop();
    }

    private static Map<String, Object> answer(SparkSession session, String statement) {
        try {
            List<List<Object>> rows = new ArrayList<>();
            for (Row row : session.sql(statement).collectAsList()) {
                List<Object> values = new ArrayList<>();
                for (int at = 0; at < row.size(); at++) {
                    values.add(row.get(at));
                }
                rows.add(values);
            }
            return Map.of("rows", rows);
        } catch (Exception error) {
            return Map.of("error", error.toString());
        }
    }
}
