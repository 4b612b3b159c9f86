import java.rmi.Remote;
import java.rmi.RemoteException;
import java.rmi.registry.LocateRegistry;
import java.rmi.server.UnicastRemoteObject;

/** A remote object that is called, and who calls it: serve|ask ADDRESS. */
public class Homes {
    public interface Clock extends Remote {
        long now() throws RemoteException;
    }

    public static void main(String[] args) throws Exception {
        System.setProperty("java.rmi.server.hostname", args[1]);
        if (args[0].equals("serve")) {
            Clock clock = () -> 42;
            LocateRegistry.createRegistry(1099).rebind("clock", UnicastRemoteObject.exportObject(clock, 1098));
            Thread.currentThread().join();
        }
        System.out.println(((Clock) LocateRegistry.getRegistry(args[1], 1099).lookup("clock")).now());
    }
}
