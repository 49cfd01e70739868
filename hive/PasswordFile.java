import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.security.MessageDigest;
import javax.security.sasl.AuthenticationException;
import org.apache.hive.service.auth.PasswdAuthenticationProvider;

/** Lets one user into HiveServer2: the one of HIVE_USER, with the password in its file. Compiled by app/sql_server.py. */
public class PasswordFile implements PasswdAuthenticationProvider {
    public void Authenticate(String user, String password) throws AuthenticationException {
        boolean known = System.getProperty("tidemark.hive.user").equals(user);
        if (!MessageDigest.isEqual(expected(), password.getBytes(StandardCharsets.UTF_8)) || !known) {
            throw new AuthenticationException("HiveServer2 refuses the user " + user + " with this password");
        }
    }

    private static byte[] expected() throws AuthenticationException {
        String path = System.getProperty("tidemark.hive.password");
        try {
            byte[] content = Files.readAllBytes(Paths.get(path, new String[0]));
            return new String(content, StandardCharsets.UTF_8).trim().getBytes(StandardCharsets.UTF_8);
        } catch (IOException error) {
            throw new AuthenticationException("cannot read the password that is expected in " + path, error);
        }
    }
}
