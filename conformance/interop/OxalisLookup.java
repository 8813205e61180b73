import java.security.cert.X509Certificate;
import network.oxalis.vefa.peppol.common.model.DocumentTypeIdentifier;
import network.oxalis.vefa.peppol.common.model.Endpoint;
import network.oxalis.vefa.peppol.common.model.ParticipantIdentifier;
import network.oxalis.vefa.peppol.common.model.ProcessIdentifier;
import network.oxalis.vefa.peppol.common.model.TransportProfile;
import network.oxalis.vefa.peppol.lookup.LookupClient;
import network.oxalis.vefa.peppol.lookup.LookupClientBuilder;
import network.oxalis.vefa.peppol.security.util.EmptyCertificateValidator;

/** Oxalis's published look-up, asked for each participant: document type, process, then participants. */
public class OxalisLookup {
    public static void main(String[] words) throws Exception {
        // Its check of certificates knows Peppol's own authorities only; the signature it checks all the same.
        LookupClient client = LookupClientBuilder.forTest().certificateValidator(EmptyCertificateValidator.INSTANCE).build();
        for (int at = 2; at < words.length; at++) {
            String said;
            try {
                ParticipantIdentifier asked = ParticipantIdentifier.of(words[at]);
                Endpoint found = client.getEndpoint(asked, DocumentTypeIdentifier.of(words[0]),
                        ProcessIdentifier.of(words[1]), TransportProfile.of("peppol-transport-as4-v2_0"));
                X509Certificate certificate = found.getCertificate();
                said = found.getAddress() + " " + certificate.getSubjectX500Principal().getName() + ", "
                        + client.getDocumentIdentifiers(asked).size() + " document types";
            } catch (Exception error) {
                said = error.getClass().getSimpleName();
            }
            System.out.println(words[at] + ": " + said);
        }
    }
}
