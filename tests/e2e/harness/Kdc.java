import java.io.File;
import org.apache.kerby.kerberos.kerb.server.SimpleKdcServer;

/**
 * A KDC in the folder, at the port and of the realm that are its first three arguments; each further one is a principal,
 * whose key goes into a file {@code NAME.keytab} of the folder and whose ticket into {@code NAME.ccache}, where a slash in
 * its name becomes a dot. It prints a line when all is there, and ends with its input.
 */
public class Kdc {
    public static void main(String[] arguments) throws Exception {
        File folder = new File(arguments[0]);
        SimpleKdcServer kdc = new SimpleKdcServer();
        kdc.setWorkDir(folder);
        kdc.setKdcHost("127.0.0.1");
        kdc.setKdcTcpPort(Integer.parseInt(arguments[1]));
        kdc.setAllowUdp(false);
        kdc.setKdcRealm(arguments[2]);
        kdc.init();
        kdc.start();
        for (int i = 3; i < arguments.length; i++) {
            String name = arguments[i].replace('/', '.');
            File keytab = new File(folder, name + ".keytab");
            kdc.createPrincipal(arguments[i]);
            kdc.exportPrincipal(arguments[i], keytab);
            String full = arguments[i] + "@" + arguments[2];
            kdc.getKrbClient().storeTicket(kdc.getKrbClient().requestTgt(full, keytab), new File(folder, name + ".ccache"));
        }
        System.out.println("ready");
        while (System.in.read() >= 0) {}
        kdc.stop();
    }
}
