import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.FsShell;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.hdfs.HdfsConfiguration;
import org.apache.hadoop.hdfs.tools.DFSHAAdmin;
import org.apache.hadoop.security.UserGroupInformation;
import org.apache.hadoop.util.ToolRunner;

/**
 * Hadoop's own commands, one a line, without a start of Java for each: the fields of a line are the command and its
 * arguments, parted by tabs. The answer is a line of the exit status and, in Base64, what was printed.
 *
 * <p>{@code fs ...} and {@code haadmin ...} are those of {@code hdfs}. {@code hold PATH BYTES} writes a file and leaves it
 * open; {@code release PATH} closes it. Arguments of the program are a principal and its keytab, if there are any.
 */
public class HadoopShell {
    private static final Map<String, FSDataOutputStream> HELD = new HashMap<>();

    public static void main(String[] login) throws Exception {
        Configuration conf = new HdfsConfiguration();
        if (login.length == 2) {
            UserGroupInformation.setConfiguration(conf);
            UserGroupInformation.loginUserFromKeytab(login[0], login[1]);
        }
        PrintStream answers = System.out;
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] fields = line.split("\t");
            ByteArrayOutputStream printed = new ByteArrayOutputStream();
            PrintStream out = new PrintStream(printed, true, StandardCharsets.UTF_8);
            System.setOut(out);
            System.setErr(out);
            int status;
            try {
                status = run(conf, fields[0], Arrays.copyOfRange(fields, 1, fields.length));
            } catch (Exception error) {
                error.printStackTrace(out);
                status = 1;
            }
            answers.println(status + "\t" + Base64.getEncoder().encodeToString(printed.toByteArray()));
            answers.flush();
        }
    }

    private static int run(Configuration conf, String command, String[] arguments) throws Exception {
        switch (command) {
            case "fs":
                return ToolRunner.run(new FsShell(conf), arguments);
            case "haadmin":
                return ToolRunner.run(conf, new DFSHAAdmin(), arguments);
            case "hold":
                FSDataOutputStream file = FileSystem.get(conf).create(new Path(arguments[0]), true);
                HELD.put(arguments[0], file);
                file.write(new byte[Integer.parseInt(arguments[1])]);
                file.hflush();
                return 0;
            case "release":
                HELD.remove(arguments[0]).close();
                return 0;
            default:
                throw new IllegalArgumentException(command);
        }
    }
}
